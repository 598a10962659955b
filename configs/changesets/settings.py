"""Settings, free keys and exceptions for roles: how a change of them is checked and written."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.db.models import Max
from django.utils.translation import gettext

from configs import crypto, registry, runtime
from configs.changesets import policy
from configs.changesets.values import FREE_MARK, Content, FreeKey, Wanted, is_storable, to_text
from configs.errors import Conflict, Invalid, NotFound
from configs.models import Change, Config, ConfigOverride
from configs.registry import AnySetting

if TYPE_CHECKING:
    from accounts.models import User

REMOVALS = (Change.Action.DELETE, Change.Action.RESET)


def declared(key: str) -> AnySetting:
    """Return the declared setting of that key.

    Raises:
        NotFound: there is none.
    """
    setting = registry.SETTINGS.get(key)
    if setting is None:
        raise NotFound(gettext("No such setting is known."))
    return setting


def require_unlocked(setting: AnySetting) -> None:
    """Refuse what the environment fixes.

    Raises:
        Conflict: an environment variable fixes the setting.
    """
    if locked := runtime.locked_by(setting):
        raise Conflict(
            gettext("The environment variable %(name)s fixes this setting.") % {"name": locked}
        )


# --- Settings and free keys ------------------------------------------------------------------
def check_setting(wanted: Wanted, row: Config | None) -> Content:
    """Return what is kept of a wanted change of a setting.

    Raises:
        NotFound: no such setting is declared, and no free key of that name exists.
        Invalid: the value is not valid, or the row cannot be removed.
        Conflict: the environment fixes it.
    """
    setting = registry.SETTINGS.get(wanted.target)
    if setting is not None:
        return _check_declared(setting, wanted)
    if wanted.action in REMOVALS:
        _existing(row)
        return Content(sensitive=False)
    value = wanted.value if isinstance(wanted.value, FreeKey) else _like(row, wanted.value)
    return _check_free(wanted.target, value)


def _check_declared(setting: AnySetting, wanted: Wanted) -> Content:
    require_unlocked(setting)
    if wanted.action == Change.Action.RESET:
        return Content(sensitive=setting.sensitive)
    if wanted.action == Change.Action.DELETE or isinstance(wanted.value, FreeKey):
        complaint = gettext("This setting is declared by the release: it can be set or reset.")
        raise Invalid(complaint, errors={"key": [complaint]})
    checked = setting.check(wanted.value)
    if setting.key == registry.FOUR_EYES.key:
        policy.check(str(checked))
    return Content(to_text(checked), setting.sensitive)


def _existing(row: Config | None) -> Config:
    if row is None:
        raise NotFound(gettext("No such setting is known."))
    return row


def _like(row: Config | None, value: Any) -> FreeKey:
    """Return a new value for a free key that stays what it is otherwise."""
    row = _existing(row)
    return FreeKey(
        row.value_type or "json", value, row.description, row.is_public, row.is_sensitive
    )


def _check_free(key: str, wanted: FreeKey) -> Content:
    registry.check_free_key(key)
    if wanted.is_public and wanted.is_sensitive:
        complaint = gettext("A secret is never public: choose one of the two.")
        raise Invalid(complaint, errors={"is_public": [complaint]})
    if not is_storable(wanted.description):
        complaint = gettext("This may not hold control characters.")
        raise Invalid(complaint, errors={"description": [complaint]})
    setting = registry.free(
        key,
        wanted.value_type,
        help=wanted.description,
        sensitive=wanted.is_sensitive,
        public=wanted.is_public,
    )
    kept = {**asdict(wanted), "value": setting.check(wanted.value), FREE_MARK: True}
    return Content(to_text(kept), wanted.is_sensitive)


def write_setting(wanted: Wanted, row: Config | None, actor: "User | None") -> Config:
    """Write the wanted value into the row, a new one where there is none; it is not saved."""
    row = row or Config(key=wanted.target, version=_last_version(Config, key=wanted.target))
    setting = registry.SETTINGS.get(wanted.target)
    value, text = wanted.value, ""
    if isinstance(value, FreeKey):
        row.value_type, row.description = value.value_type, value.description
        row.is_public, row.is_sensitive = value.is_public, value.is_sensitive
        value = value.value
    elif setting is not None:
        row.is_sensitive, row.is_public = setting.sensitive, setting.public
        row.description = str(setting.help)
    if wanted.action not in REMOVALS:
        text = to_text(value)
    row.value = crypto.encrypt(text, row.place) if row.is_sensitive else text
    row.updated_by = actor
    return row


# --- Exceptions for roles ----------------------------------------------------------------------
def check_override(wanted: Wanted, row: ConfigOverride | None) -> Content:
    """Return what is kept of a wanted exception for a role.

    Raises:
        NotFound: no such setting is declared, or there is no exception to remove.
        Invalid: the setting has no exceptions, the role lacks, or the value is not valid.
        Conflict: the environment fixes the setting.
    """
    setting = declared(wanted.target)
    require_unlocked(setting)
    if not setting.per_role:
        complaint = gettext("This setting is the same for all roles.")
        raise Invalid(complaint, errors={"group": [complaint]})
    if wanted.group is None:
        complaint = gettext("Choose the role that the exception is for.")
        raise Invalid(complaint, errors={"group": [complaint]})
    if wanted.action in REMOVALS:
        if row is None:
            raise NotFound(gettext("This role has no exception here."))
        return Content()
    return Content(to_text(setting.check(wanted.value)))


def write_override(
    wanted: Wanted, row: ConfigOverride | None, actor: "User | None"
) -> ConfigOverride:
    """Write the wanted exception into the row, a new one where there is none; it is not saved."""
    natural = {"key": wanted.target, "group": wanted.group}
    row = row or ConfigOverride(**natural, version=_last_version(ConfigOverride, **natural))
    row.value = json.dumps(wanted.value, ensure_ascii=False)
    row.updated_by = actor
    return row


def _last_version(model: Any, **natural: Any) -> int:
    """Return the version that the last row of that name ended with, 0 where there was none."""
    newest = model.history.filter(**natural).aggregate(Max("version"))["version__max"]
    return newest or 0
