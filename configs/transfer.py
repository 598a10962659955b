"""Take what steers the system out as a bundle, and bring a bundle in as a change set."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from configs import audit, bundles, changesets, registry, runtime
from configs.bundles import Bundle, RoleValue
from configs.changesets import Difference, FreeKey, Problem, endpoints
from configs.changesets.checking import standing
from configs.errors import Conflict, Invalid, NotFound
from configs.models import Change, ChangeSet, Config, ConfigOverride, ModelEndpoint, PromptTemplate
from configs.passphrase import Passphrase

if TYPE_CHECKING:
    from accounts.models import User

SECRET_FIELD: Final = endpoints.SECRET
ENDPOINT_FIELDS: Final = endpoints.ENDPOINT_FIELDS - {SECRET_FIELD, "name"}
Kind, Action = Change.Kind, Change.Action


@dataclass(frozen=True, slots=True)
class Step:
    """One change that a bundle asks for."""

    kind: str
    target: str
    action: str = Action.SET
    value: Any = field(default=None, repr=False)
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would change, what is wrong with it, and which secrets the file does not hold."""

    differences: Sequence[Difference]
    problems: Sequence[Problem]
    withheld: tuple[str, ...]


# --- Out -----------------------------------------------------------------------------------------
def export(*, actor: "User | None", passphrase: str = "") -> str:
    """Return everything that was set, as YAML; secrets only with a passphrase, sealed under it.

    Raises:
        Invalid: the passphrase is too short.
        SecretUnreadable: a secret that is asked for cannot be opened.
    """
    box = Passphrase(passphrase) if passphrase else None
    places = list(_secret_places())
    sealed = {place: box.seal(read(), place) for place, read in places} if box else {}
    bundle = Bundle(
        release=runtime.build().version,
        exported_at=timezone.now().isoformat(timespec="seconds"),
        **_open_parts(),
        withheld=() if box else tuple(place for place, _ in places),
        salt=box.salt if box else "",
        sealed=sealed,
    )
    acts = audit.actions
    with transaction.atomic():
        audit.record(
            action=acts.CONFIG_EXPORT_SECRETS if box else acts.CONFIG_EXPORT,
            actor=actor,
            object_type="release",
            object_id=bundle.release,
            detail={"secrets": sorted(sealed)},
        )
    return bundles.to_text(bundle)


def _open_parts() -> dict[str, Any]:
    rows = [row for row in Config.objects.all() if row.value]
    overrides = ConfigOverride.objects.select_related("group")
    return {
        "settings": {
            row.key: row.plain for row in rows if not (row.is_sensitive or row.value_type)
        },
        "keys": {row.key: _free_key(row) for row in rows if row.value_type},
        "exceptions": tuple(
            RoleValue(row.key, row.group.name, json.loads(row.value)) for row in overrides
        ),
        "endpoints": {row.name: _fields(row) for row in ModelEndpoint.objects.all()},
        "prompts": {row.name: row.text for row in PromptTemplate.objects.all()},
    }


def _free_key(row: Config) -> dict[str, Any]:
    """Return what a key of an operator's own is; of a secret all but its value."""
    about = {"type": row.value_type, "description": row.description}
    if row.is_sensitive:
        return {**about, "sensitive": True}
    return {**about, "public": row.is_public, "value": row.plain}


def _fields(row: ModelEndpoint) -> dict[str, Any]:
    """Return what an endpoint is, but for its key and its name, as YAML can say it."""
    values = {name: getattr(row, name) for name in sorted(ENDPOINT_FIELDS)}
    return {
        name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()
    }


def _secret_places() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield each stored secret's place in a bundle, and how to read it."""
    for row in Config.objects.filter(is_sensitive=True).exclude(value=""):
        yield f"settings.{row.key}", partial(_json_of, row)
    for endpoint in ModelEndpoint.objects.exclude(api_key=""):
        yield f"endpoints.{endpoint.name}.{SECRET_FIELD}", partial(getattr, endpoint, SECRET_FIELD)


def _json_of(row: Config) -> str:
    return json.dumps(row.plain, ensure_ascii=False)


# --- In ------------------------------------------------------------------------------------------
def steps(bundle: Bundle, *, passphrase: str = "") -> list[Step]:
    """Return the changes that make this installation what the bundle says.

    What the bundle does not name stays. Without a passphrase its secrets stay as they are here.

    Raises:
        Invalid: it names what is not known here, or the passphrase does not open its secrets.
    """
    opened = _opened(bundle, passphrase)
    complaints = list(_unknown(bundle, opened))
    if complaints:
        raise Invalid("\n".join(complaints), errors={"file": complaints})
    return [
        *_setting_steps(bundle, opened),
        *_exception_steps(bundle),
        *_endpoint_steps(bundle, opened),
        *_prompt_steps(bundle),
    ]


def preview(*, bundle: Bundle, actor: "User | None", passphrase: str = "") -> Preview:
    """Return what an import would change, and leave nothing behind; no model is asked yet.

    Raises:
        Invalid: as in `steps`, or a value is not valid.
    """
    wanted = steps(bundle, passphrase=passphrase)
    with transaction.atomic():
        drafted = _drafted(wanted, title="preview", actor=actor)
        seen = Preview(
            tuple(changesets.differences(drafted)),
            tuple(standing(drafted.changes.all())),
            bundle.withheld,
        )
        transaction.set_rollback(True)
    return seen


@transaction.atomic
def bring_in(
    *, bundle: Bundle, title: str, actor: "User | None", passphrase: str = ""
) -> ChangeSet:
    """Return a draft that holds the bundle's changes, to be looked at and submitted like any other.

    Raises:
        Invalid: as in `preview`, or there is nothing to change.
    """
    wanted = steps(bundle, passphrase=passphrase)
    if not wanted:
        complaint = gettext("Everything is already as this file says.")
        raise Invalid(complaint, errors={"file": [complaint]})
    drafted = _drafted(wanted, title=title, actor=actor)
    audit.record(
        action=audit.actions.CONFIG_IMPORT,
        actor=actor,
        object_type="changeset",
        object_id=drafted.pk,
        object_name=title,
        detail={"release": bundle.release, "changes": len(wanted)},
    )
    return drafted


def _drafted(wanted: Sequence[Step], *, title: str, actor: "User | None") -> ChangeSet:
    """Draft every step; complaints are gathered, each with what it is about."""
    drafted = changesets.open_draft(title=title, actor=actor)
    complaints = []
    for step in wanted:
        try:
            changesets.draft(
                change_set=drafted,
                kind=step.kind,
                target=step.target,
                action=step.action,
                value=step.value,
                group=step.group,
                actor=actor,
            )
        except (Invalid, Conflict, NotFound) as refused:
            complaints.append(f"{step.target}: {refused.detail}")
    if complaints:
        raise Invalid("\n".join(complaints), errors={"file": complaints})
    return drafted


def _opened(bundle: Bundle, passphrase: str) -> dict[str, str]:
    """Return the bundle's secrets by place; none without a passphrase."""
    if not (bundle.sealed and passphrase):
        return {}
    box = Passphrase(passphrase, bundle.salt)
    return {place: box.open(sealed, place) for place, sealed in bundle.sealed.items()}


def _unknown(bundle: Bundle, opened: Mapping[str, str]) -> Iterator[str]:
    """Yield a complaint for each name that means nothing here."""
    for key in bundle.settings:
        setting = registry.SETTINGS.get(key)
        if setting is None:
            yield _no_setting(f"settings.{key}")
        elif setting.sensitive:
            said = gettext("settings.%(name)s: secrets do not stand in a file as they are.")
            yield said % {"name": key}
    roles = set(Group.objects.values_list("name", flat=True))
    for each in bundle.exceptions:
        if each.role not in roles:
            yield gettext("exceptions: there is no role %(name)s here.") % {"name": each.role}
    templates = set(PromptTemplate.objects.values_list("name", flat=True))
    for name in sorted(set(bundle.prompts) - templates):
        yield gettext("prompts.%(name)s: there is no such prompt.") % {"name": name}
    yield from _unknown_fields(bundle)
    yield from _unknown_secrets(bundle, opened)


def _unknown_fields(bundle: Bundle) -> Iterator[str]:
    for name, fields in bundle.endpoints.items():
        for unknown in sorted(set(fields) - ENDPOINT_FIELDS):
            said = gettext("endpoints.%(name)s: there is no field %(field)s.")
            yield said % {"name": name, "field": unknown}


def _unknown_secrets(bundle: Bundle, opened: Mapping[str, str]) -> Iterator[str]:
    sensitive = {key for key, each in registry.SETTINGS.items() if each.sensitive}
    places = {f"settings.{key}" for key in {*sensitive, *bundle.keys}}
    places |= {f"endpoints.{name}.{SECRET_FIELD}" for name in bundle.endpoints}
    for place in sorted(set(opened) - places):
        yield _no_setting(place)


def _no_setting(place: str) -> str:
    return gettext("%(place)s: nothing of that name is known here.") % {"place": place}


def _setting_steps(bundle: Bundle, opened: Mapping[str, str]) -> Iterator[Step]:
    rows = {row.key: row for row in Config.objects.exclude(value="")}
    secrets = {
        place.partition(".")[2]: json.loads(text)
        for place, text in opened.items()
        if place.startswith("settings.")
    }
    declared = {key: each for key, each in secrets.items() if key not in bundle.keys}
    for key, value in {**bundle.settings, **declared}.items():
        if key not in rows or _differs(rows[key].plain, value):
            yield Step(Kind.SETTING, key, Action.SET, value)
    for key, about in bundle.keys.items():
        if about.get("sensitive") and key not in secrets:
            continue  # its value was withheld: what is here stays
        wanted = FreeKey(
            about["type"],
            secrets[key] if about.get("sensitive") else about.get("value"),
            about.get("description", ""),
            about.get("public", False),
            about.get("sensitive", False),
        )
        if key not in rows or _differs(asdict(_present(rows[key])), asdict(wanted)):
            yield Step(Kind.SETTING, key, Action.SET, wanted)


def _present(row: Config) -> FreeKey:
    return FreeKey(row.value_type, row.plain, row.description, row.is_public, row.is_sensitive)


def _exception_steps(bundle: Bundle) -> Iterator[Step]:
    rows = {(row.key, row.group_id): json.loads(row.value) for row in ConfigOverride.objects.all()}
    groups = {group.name: group for group in Group.objects.all()}
    for each in bundle.exceptions:
        group = groups[each.role]
        if (each.key, group.pk) not in rows or _differs(rows[each.key, group.pk], each.value):
            yield Step(Kind.OVERRIDE, each.key, Action.SET, each.value, group)


def _endpoint_steps(bundle: Bundle, opened: Mapping[str, str]) -> Iterator[Step]:
    rows = {row.name: row for row in ModelEndpoint.objects.all()}
    for name, fields in bundle.endpoints.items():
        wanted = dict(fields)
        secret = opened.get(f"endpoints.{name}.{SECRET_FIELD}")
        row = rows.get(name)
        if row is None:
            more = {} if secret is None else {SECRET_FIELD: secret}
            yield Step(Kind.ENDPOINT, name, Action.CREATE, {**wanted, **more})
            continue
        present = _fields(row)
        changed = {key: each for key, each in wanted.items() if _differs(present[key], each)}
        if secret is not None and row.api_key != secret:
            changed[SECRET_FIELD] = secret
        if changed:
            yield Step(Kind.ENDPOINT, name, Action.SET, changed)


def _prompt_steps(bundle: Bundle) -> Iterator[Step]:
    rows = {row.name: row.text for row in PromptTemplate.objects.all()}
    for name, text in bundle.prompts.items():
        if rows[name] != text:
            yield Step(Kind.PROMPT, name, Action.SET, text)


def _differs(present: Any, wanted: Any) -> bool:
    """Compare as JSON does: 1 and true are not the same, a list and a tuple are."""
    return json.dumps(present, sort_keys=True) != json.dumps(wanted, sort_keys=True)
