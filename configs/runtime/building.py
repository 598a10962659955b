"""Build a snapshot: one release, read whole from the database, under the environment."""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

from django.conf import settings

from configs import registry
from configs.errors import ClawError, Invalid
from configs.models import Config, ConfigOverride, ModelEndpoint, PromptTemplate, Release
from configs.providers.base import Endpoint
from configs.registry import AnySetting
from configs.runtime.snapshot import FreeKey, Prompt, Snapshot, Source

logger = logging.getLogger(__name__)

ZHIPU_URL = "https://open.bigmodel.cn/api/paas/v4/"


def locked_by(setting: AnySetting) -> str | None:
    """Return the name of the environment variable that fixes the setting, or None."""
    name = setting.environment
    return name if name and os.environ.get(name, "") else None


def newest_version() -> int:
    """Return the newest release's version, 0 where there is none.

    Raises:
        DatabaseError: the database cannot be read.
    """
    return Release.objects.order_by("-version").values_list("version", flat=True).first() or 0


def build() -> Snapshot:
    """Read everything from the database and return it as a snapshot of one release.

    Raises:
        DatabaseError: the database cannot be read.
    """
    version = newest_version()
    while True:
        rows = list(Config.objects.all())
        exceptions = list(ConfigOverride.objects.order_by("key", "group_id"))
        prompts = {
            row.name: Prompt(row.name, row.text, row.version)
            for row in PromptTemplate.objects.all()
        }
        endpoints = tuple(_usable_endpoints())
        again = newest_version()
        if again == version:  # nothing was published while we read
            break
        version = again
    values, sources = _settings_in_force(rows)
    return Snapshot(
        version,
        MappingProxyType(values),
        MappingProxyType(sources),
        MappingProxyType(prompts),
        endpoints,
        MappingProxyType(_overrides(exceptions)),
        MappingProxyType(_free_keys(rows)),
    )


# --- Settings --------------------------------------------------------------------------------
def _settings_in_force(rows: list[Config]) -> tuple[dict[str, Any], dict[str, Source]]:
    values: dict[str, Any] = {key: each.default for key, each in registry.SETTINGS.items()}
    sources: dict[str, Source] = dict.fromkeys(values, "default")
    for row in rows:
        _take_from_database(row, values, sources)
    for setting in registry.SETTINGS.values():
        _take_from_environment(setting, values, sources)
    for rule in registry.broken_rules(values):
        for setting in rule.settings:
            values[setting.key], sources[setting.key] = setting.default, "default"
        keys = ", ".join(setting.key for setting in rule.settings)
        logger.error("The settings %s do not fit together; the defaults hold.", keys)
    return values, sources


def _take_from_database(row: Config, values: dict[str, Any], sources: dict[str, Source]) -> None:
    setting = registry.SETTINGS.get(row.key)
    if setting is None or not row.value:
        return
    try:
        values[row.key], sources[row.key] = setting.check(row.plain), "database"
    except (ClawError, ValueError):  # never the value itself: it may be a secret
        logger.error("The stored value of %s (v%s) is not valid.", row.key, row.version)  # noqa: TRY400


def _take_from_environment(
    setting: AnySetting, values: dict[str, Any], sources: dict[str, Source]
) -> None:
    name = locked_by(setting)
    if name is None:
        return
    try:
        values[setting.key], sources[setting.key] = setting.parse(os.environ[name]), "environment"
    except Invalid:
        logger.error("The environment variable %s is not valid; it is ignored.", name)  # noqa: TRY400


def _free_keys(rows: Iterable[Config]) -> dict[str, FreeKey]:
    found = {}
    for row in rows:
        if row.key in registry.SETTINGS or not row.value_type or not row.value:
            continue
        try:
            setting = registry.free(
                row.key,
                row.value_type,
                help=row.description,
                sensitive=row.is_sensitive,
                public=row.is_public,
            )
            found[row.key] = FreeKey(setting, setting.check(row.plain))
        except (ClawError, ValueError):  # as above
            logger.error("The stored value of %s (v%s) is not valid.", row.key, row.version)  # noqa: TRY400
    return found


def _overrides(rows: Iterable[ConfigOverride]) -> dict[str, dict[int, Any]]:
    """Return what holds for which role; what the environment fixes, it fixes for everyone."""
    found: dict[str, dict[int, Any]] = defaultdict(dict)
    for row in rows:
        setting = registry.SETTINGS.get(row.key)
        if setting is None or not setting.per_role or locked_by(setting):
            continue
        try:
            found[row.key][row.group_id] = setting.check(json.loads(row.value))
        except (ClawError, ValueError):
            logger.error("The exception %s (v%s) is not valid.", row, row.version)  # noqa: TRY400
    return dict(found)


# --- Endpoints ---------------------------------------------------------------------------------
def _usable_endpoints() -> list[tuple[str, Endpoint]]:
    found = [(row.kind, endpoint_of(row)) for row in ModelEndpoint.objects.filter(enabled=True)]
    return [(kind, endpoint) for kind, endpoint in found if endpoint is not None]


def endpoint_of(row: ModelEndpoint) -> Endpoint | None:
    """Return what adapters see of a row, stored or not; None where its key or address lacks."""
    try:
        key, url = row.api_key, row.base_url
    except ClawError:  # it must not hide the other rows
        logger.error("The key of the endpoint %s cannot be opened.", row.name)  # noqa: TRY400
        return None
    if row.provider == ModelEndpoint.Provider.ZHIPU:
        key = key or settings.ZHIPUAI_API_KEY
        url = url or settings.ZHIPUAI_BASE_URL or ZHIPU_URL
        if not key:
            return None
    if row.provider == ModelEndpoint.Provider.OPENAI_COMPATIBLE and not url:
        return None
    return Endpoint(
        name=row.name,
        kind=row.kind,
        provider=row.provider,
        model=row.model,
        base_url=url,
        api_key=key,
        parameters=dict(row.parameters),
        context_tokens=row.context_tokens,
        first_byte_timeout_seconds=row.first_byte_timeout_seconds,
        idle_timeout_seconds=row.idle_timeout_seconds,
    )
