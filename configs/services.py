"""Verbs that change what steers the system: each leaves a history row and publishes a release."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.utils.translation import gettext

from configs import crypto, prompts, registry, runtime
from configs.errors import Conflict, Invalid, NotFound
from configs.models import Config, ModelEndpoint, PromptTemplate, Release
from configs.registry import AnySetting

if TYPE_CHECKING:
    from accounts.models import User

Row = TypeVar("Row", ModelEndpoint, PromptTemplate)

RELEASE_LOCK = 0x636C6177  # "claw": one publication at a time, so that versions are contiguous
ENDPOINT_FIELDS = frozenset(
    field.name
    for field in ModelEndpoint._meta.concrete_fields
    if field.name not in {"id", "version", "updated_at"}
)
# What an adapter fills in itself may not be overridden by a parameter.
RESERVED_PARAMETERS = frozenset({"model", "messages", "stream", "stream_options", "input"})
PARAMETER_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "max_tokens": (1, 1_000_000),
    "dimensions": (8, 4000),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}


# --- Settings --------------------------------------------------------------------------------
def change_setting(
    *,
    key: str,
    value: object,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> Config:
    """Set a setting to `value` (a Python value of its type) and publish it.

    `expected_version` is the row's version that the actor saw, 0 where there was no row.

    Raises:
        NotFound: no such setting is declared.
        Invalid: wrong type or range, settings that do not fit together, or a missing reason.
        Conflict: the environment fixes it, or somebody changed it in between.
    """
    setting = _declared(key)
    checked = setting.check(value)
    with _publication():
        _require_fitting({key: checked})
        text = json.dumps(checked, ensure_ascii=False)
        return _write_setting(setting, text, actor, reason, expected_version)


def reset_setting(
    *, key: str, actor: "User | None", reason: str = "", expected_version: int | None = None
) -> Config:
    """Let the declared default hold again, as a new version of the row.

    Raises:
        NotFound, Invalid, Conflict: as in `change_setting`.
    """
    setting = _declared(key)
    with _publication():
        _require_fitting({key: setting.default})
        return _write_setting(setting, "", actor, reason, expected_version)


def roll_back(
    *,
    key: str,
    version: int,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> Config:
    """Write the value that the setting had at `version` as a new version.

    Raises:
        NotFound: the setting never had that version.
        Invalid: the value of then is not valid any more.
        Conflict: as in `change_setting`.
    """
    past = Config.history.filter(key=key, version=version).order_by("-history_id").first()
    if past is None:
        raise NotFound(gettext("This setting never had that version."))
    value = past.instance.plain
    why = reason or gettext("Back to version %(version)d") % {"version": version}
    if value is None:
        return reset_setting(key=key, actor=actor, reason=why, expected_version=expected_version)
    return change_setting(
        key=key, value=value, actor=actor, reason=why, expected_version=expected_version
    )


def _declared(key: str) -> AnySetting:
    setting = registry.SETTINGS.get(key)
    if setting is None:
        raise NotFound(gettext("No such setting is known."))
    return setting


def _require_fitting(change: Mapping[str, Any]) -> None:
    """Refuse a change after which settings would contradict each other."""
    values = {**runtime.build().values, **change}
    for rule in registry.broken_rules(values):
        if any(setting.key in change for setting in rule.settings):
            raise Invalid(str(rule.complaint), errors={"value": [str(rule.complaint)]})


def _write_setting(
    setting: AnySetting, text: str, actor: "User | None", reason: str, expected: int | None
) -> Config:
    if locked := runtime.locked_by(setting):
        raise Conflict(
            gettext("The environment variable %(name)s fixes this setting.") % {"name": locked}
        )
    if setting.sensitive and not reason.strip():
        complaint = gettext("A reason is needed for this setting.")
        raise Invalid(complaint, errors={"reason": [complaint]})
    row = Config.objects.select_for_update().filter(key=setting.key).first()
    _require_version(row.version if row else 0, expected)
    row = row or Config(key=setting.key, version=0)
    row.value = crypto.encrypt(text, row.place) if setting.sensitive else text
    row.is_sensitive, row.is_public = setting.sensitive, setting.public
    row.description = str(setting.help)
    row.updated_by = actor
    _save(row, actor, reason)
    return row


# --- Endpoints and prompts -----------------------------------------------------------------------
def create_endpoint(
    *, actor: "User | None", reason: str = "", values: Mapping[str, Any]
) -> ModelEndpoint:
    """Add a model endpoint and publish it.

    Raises:
        Invalid: a value is not valid; a key is never part of the message.
    """
    with _publication():
        row = ModelEndpoint(version=0)
        _assign(row, values)
        _save(row, actor, reason)
        return row


def change_endpoint(
    *,
    name: str,
    changes: Mapping[str, Any],
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> ModelEndpoint:
    """Change fields of the endpoint `name` and publish it; what is not in `changes` stays.

    Raises:
        NotFound: there is no such endpoint.
        Invalid: a value is not valid; a key is never part of the message.
        Conflict: somebody changed it in between.
    """
    with _publication():
        row = _locked(ModelEndpoint, name)
        _require_version(row.version, expected_version)
        _assign(row, changes)
        _save(row, actor, reason)
        return row


def delete_endpoint(*, name: str, actor: "User | None", reason: str = "") -> None:
    """Remove the endpoint `name` and publish that.

    Raises:
        NotFound: there is no such endpoint.
        Conflict: new documents are embedded by it.
    """
    with _publication():
        row = _locked(ModelEndpoint, name)
        if name == runtime.build().get(registry.EMBEDDING_ENDPOINT):
            raise Conflict(
                gettext("New documents are embedded by this endpoint: choose another one first.")
            )
        row._change_reason, row._history_user = reason, actor  # type: ignore[attr-defined]
        row.delete()
        _publish(actor, reason, f"{name} –")


def change_prompt(
    *,
    name: str,
    text: str,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> PromptTemplate:
    """Change the words of the template `name` and publish them.

    Raises:
        NotFound: there is no such template.
        Invalid: it is empty, or holds an unknown placeholder or a brace that stands alone.
        Conflict: somebody changed it in between.
    """
    prompts.check(name, text)
    with _publication():
        row = _locked(PromptTemplate, name)
        _require_version(row.version, expected_version)
        row.text = text
        _save(row, actor, reason)
        return row


def _locked(model: type[Row], name: str) -> Row:
    row = model.objects.select_for_update().filter(name=name).first()
    if row is None:
        raise NotFound
    return row


def _assign(row: ModelEndpoint, values: Mapping[str, Any]) -> None:
    """Put the values into the row, complaining by field and never with a value."""
    unknown = set(values) - ENDPOINT_FIELDS
    errors = {name: [gettext("There is no such field.")] for name in sorted(unknown)}
    errors |= _parameter_complaints(values.get("parameters", {}))
    errors |= _url_complaints(str(values.get("base_url", "")))
    if errors:
        raise Invalid(errors=errors)
    for name, value in values.items():
        setattr(row, name, value)
    try:
        row.full_clean(exclude=["id"])
    except ValidationError as error:
        raise Invalid(errors=dict(error.message_dict)) from None


def _url_complaints(url: str) -> dict[str, list[str]]:
    try:
        parts = urlsplit(url)
        sound = not url or (parts.scheme in {"http", "https"} and not parts.username)
    except ValueError:
        sound = False
    complaint = gettext("This must be an http or https address without a name or password in it.")
    return {} if sound else {"base_url": [complaint]}


def _parameter_complaints(parameters: object) -> dict[str, list[str]]:
    if not isinstance(parameters, Mapping):
        return {"parameters": [gettext("This must be a JSON object.")]}
    complaints = [
        gettext("%(name)s is set by CLAW.AI itself.") % {"name": name}
        for name in sorted(RESERVED_PARAMETERS & set(parameters))
    ]
    for name, (low, high) in PARAMETER_RANGES.items():
        value = parameters.get(name, low)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and low <= value <= high):
            complaints.append(
                gettext("%(name)s must be a number from %(low)s to %(high)s.")
                % {"name": name, "low": low, "high": high}
            )
    return {"parameters": complaints} if complaints else {}


# --- Publishing ---------------------------------------------------------------------------
@contextmanager
def _publication() -> Iterator[None]:
    """Hold the one right to publish, so that versions are contiguous and in commit order."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [RELEASE_LOCK])
        yield


def _require_version(actual: int, expected: int | None) -> None:
    if expected is not None and expected != actual:
        raise Conflict(
            gettext("Somebody changed this in between: it is version %(version)d now.")
            % {"version": actual}
        )


def _save(row: Config | ModelEndpoint | PromptTemplate, actor: "User | None", reason: str) -> None:
    """Save the row as its next version, with its history row and a release."""
    if "\0" in reason:
        complaint = gettext("This may not hold control characters.")
        raise Invalid(complaint, errors={"reason": [complaint]})
    row.version += 1
    row._change_reason, row._history_user = reason, actor  # type: ignore[union-attr]
    row.save()
    _publish(actor, reason, f"{row} v{row.version}")


def _publish(actor: "User | None", reason: str, summary: str) -> Release:
    newest = Release.objects.aggregate(models.Max("version"))["version__max"] or 0
    release = Release.objects.create(
        version=newest + 1, author=actor, reason=reason[:500], summary=summary[:500]
    )
    # Robust: the change is in force by then, and polling finds it where this fails.
    transaction.on_commit(_announce, robust=True)
    return release


def _announce() -> None:
    runtime.refresh()
    runtime.ring()
