"""What this process runs with: a frozen snapshot of settings, prompts and endpoints, kept live."""

import asyncio
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, models
from django.db.models.functions import Cast

from configs import crypto, registry
from configs.errors import ClawError, Invalid
from configs.models import Config, ModelEndpoint, PromptTemplate, Release
from configs.providers.base import Endpoint
from configs.registry import AnySetting, Setting

logger = logging.getLogger(__name__)

T = TypeVar("T", int, float, bool, str)
Source = Literal["default", "database", "environment"]

CHANNEL = "clawai:configs:doorbell"
POLL_SECONDS = 1.0
FIRST_LOAD_SECONDS = 5.0
ZHIPU_URL = "https://open.bigmodel.cn/api/paas/v4/"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template as it was at one version."""

    name: str
    text: str
    version: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that steers the process, as of one release; nothing in it ever changes."""

    version: int
    values: Mapping[str, Any] = field(repr=False)
    sources: Mapping[str, Source] = field(repr=False)
    prompts: Mapping[str, Prompt] = field(repr=False)
    usable: tuple[tuple[str, Endpoint], ...] = field(repr=False)

    def get(self, setting: Setting[T]) -> T:
        """Return the value in force."""
        return cast(T, self.values[setting.key])

    def source(self, setting: AnySetting) -> Source:
        """Say where the value in force comes from."""
        return self.sources[setting.key]

    def prompt(self, name: str) -> Prompt:
        """Return the template of that name.

        Raises:
            KeyError: there is none.
        """
        return self.prompts[name]

    def endpoints(self, kind: str) -> tuple[Endpoint, ...]:
        """Return the usable endpoints of a kind, the preferred one first."""
        return tuple(endpoint for of, endpoint in self.usable if of == kind)

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the usable endpoint of that name, or None."""
        return next((endpoint for _, endpoint in self.usable if endpoint.name == name), None)


# --- Building a snapshot -------------------------------------------------------------------
def locked_by(setting: AnySetting) -> str | None:
    """Return the name of the environment variable that fixes the setting, or None."""
    return setting.environment if os.environ.get(setting.environment, "") else None


def build() -> Snapshot:
    """Read everything from the database and return it as a snapshot of one release.

    Raises:
        DatabaseError: the database cannot be read.
    """
    version = _newest_version()
    while True:
        rows = list(Config.objects.all())
        prompts = {
            row.name: Prompt(row.name, row.text, row.version)
            for row in PromptTemplate.objects.all()
        }
        endpoints = tuple(_usable_endpoints())
        again = _newest_version()
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
    )


def _newest_version() -> int:
    return Release.objects.order_by("-version").values_list("version", flat=True).first() or 0


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


def _usable_endpoints() -> list[tuple[str, Endpoint]]:
    # The key is read as it is stored: one that cannot be opened must not hide the other rows.
    rows = ModelEndpoint.objects.filter(enabled=True).defer("api_key")
    stored = rows.annotate(sealed=Cast("api_key", models.TextField()))
    found = [(row.kind, _endpoint(row, row.sealed)) for row in stored]
    return [(kind, endpoint) for kind, endpoint in found if endpoint is not None]


def _endpoint(row: ModelEndpoint, sealed: str) -> Endpoint | None:
    try:
        key, url = crypto.decrypt(sealed), row.base_url
    except ClawError:
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


# --- The snapshot of this process -------------------------------------------------------------
_current: Snapshot | None = None
_installing = threading.Lock()


def current() -> Snapshot:
    """Return what the process runs with: a read of memory once something has been loaded.

    The first call loads it; after that `refresh` and the thread of `start` keep it new.
    """
    return _current if _current is not None else _load_first()


def refresh() -> Snapshot:
    """Read the newest release now and return what is in force then.

    Raises:
        DatabaseError: the database cannot be read; what was in force stays.
    """
    return install(build())


def forget() -> None:
    """Drop the snapshot, so that `current` loads one anew: after a restore, between tests."""
    global _current  # noqa: PLW0603  # one snapshot a process is this module's job
    with _installing:
        _current = None


def install(fresh: Snapshot) -> Snapshot:
    """Put a snapshot in force unless a newer one is already."""
    global _current  # noqa: PLW0603  # as above
    with _installing:
        if _current is None or fresh.version >= _current.version:
            if _current is None or fresh.version > _current.version:
                logger.info("Configs v%s in force.", fresh.version)
            _current = fresh
        return _current


def _load_first() -> Snapshot:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return refresh()
    # Django refuses to query inside a running loop; this happens once, before anything is served.
    loader = threading.Thread(target=_refresh_quietly, name="configs-first-load")
    loader.start()
    loader.join()
    if _current is None:
        raise DatabaseError("The settings cannot be read: the database does not answer.")
    return _current


def _refresh_quietly() -> None:
    try:
        refresh()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The settings could not be read: %s", type(error).__name__)
    finally:
        connection.close()  # back to the pool: threads come and go


# --- Live refreshing ---------------------------------------------------------------------------
class Refresher:
    """Two daemon threads: one polls PostgreSQL, the other lets Redis ring to poll at once."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._ring = threading.Event()
        self._loaded = threading.Event()
        self._reachable = True
        self._threads = [
            threading.Thread(target=self._poll, name="configs-poll", daemon=True),
            threading.Thread(target=self._listen, name="configs-doorbell", daemon=True),
        ]

    def start(self) -> None:
        """Start, and wait a few seconds at most for the first snapshot."""
        for thread in self._threads:
            thread.start()
        self._loaded.wait(FIRST_LOAD_SECONDS)

    def stop(self) -> None:
        """Stop both threads; returns when they have ended, or after two seconds."""
        self._stopping.set()
        self._ring.set()
        for thread in self._threads:
            thread.join(POLL_SECONDS + 1)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._ring.clear()
            self._look()
            self._loaded.set()
            self._ring.wait(POLL_SECONDS)

    def _look(self) -> None:
        try:
            if _current is None or _newest_version() > _current.version:
                refresh()
            self._reachable = True
        except (DatabaseError, InterfaceError) as error:
            if self._reachable:  # once an outage, not once a second
                logger.warning("The settings could not be read: %s", type(error).__name__)
            self._reachable = False
        finally:
            connection.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen_until_broken()
            except (redis.RedisError, OSError) as error:
                logger.debug("No doorbell: %s", type(error).__name__)
            self._stopping.wait(POLL_SECONDS)

    def _listen_until_broken(self) -> None:
        # No read time-out: the client's default of 5 s would end a silent subscription.
        with (
            redis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=2
            ) as client,
            client.pubsub(ignore_subscribe_messages=True) as bell,
        ):
            bell.subscribe(CHANNEL)
            self._ring.set()  # what rang while nobody listened
            while not self._stopping.is_set():
                if bell.get_message(timeout=POLL_SECONDS):
                    self._ring.set()


_refresher: Refresher | None = None


def start() -> None:
    """Keep the snapshot of this process live until `stop`; calling it again does nothing."""
    global _refresher  # noqa: PLW0603  # as above
    if _refresher is None:
        _refresher = Refresher()
        _refresher.start()


def stop() -> None:
    """End the live refreshing; the snapshot stays as it is."""
    global _refresher  # noqa: PLW0603  # as above
    if _refresher is not None:
        _refresher.stop()
        _refresher = None


def ring() -> None:
    """Tell every process that something was published; polling covers a doorbell that is broken."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
        ) as client:
            client.publish(CHANNEL, "")
    except (redis.RedisError, OSError) as error:
        logger.warning("The doorbell did not ring: %s", type(error).__name__)
