"""The history of everything that steers: who changed what, from what to what, when and why."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from configs import registry, services
from configs.admin import shown
from configs.admin.drafting import Wish
from configs.changesets.returning import setting_as
from configs.models import Change, Config, ConfigOverride, ModelEndpoint, PromptTemplate

PER_PAGE: Final = 25
MODELS: Final[Mapping[str, Any]] = {
    Change.Kind.SETTING: Config,
    Change.Kind.OVERRIDE: ConfigOverride,
    Change.Kind.ENDPOINT: ModelEndpoint,
    Change.Kind.PROMPT: PromptTemplate,
}
CREATED, DELETED = "+", "-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the history is asked for; `before` is where an earlier page ended."""

    kind: str = ""
    key: str = ""
    exact: bool = False
    person: str = ""
    since: date | None = None
    until: date | None = None
    release: int | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one row; `old` and `new` are ready to show."""

    id: int
    kind: str
    target: str
    group: str
    version: int
    action: str
    when: datetime
    who: str
    why: str
    release: int | None
    request: str
    ip: str
    old: str
    new: str
    link: str = field(default="")

    @property
    def kind_label(self) -> str:
        """Return the kind in words."""
        return str(Change.Kind(self.kind).label)

    @property
    def can_return(self) -> bool:
        """Say whether one can go back to it: not to a removal."""
        return self.action != DELETED


def entries(wanted: Wanted, *, limit: int = PER_PAGE) -> list[Entry]:
    """Return the newest changes that are wanted, newest first, one more than `limit` at most."""
    kinds = [wanted.kind] if wanted.kind in MODELS else list(MODELS)
    rows = [(kind, row) for kind in kinds for row in _rows(kind, wanted)[: limit + 1]]
    rows.sort(key=lambda pair: pair[1].history_date, reverse=True)
    rows = rows[: limit + 1]
    people = _people(row.history_user_id for _, row in rows)
    past = {kind: _predecessors(kind, [r for k, r in rows if k == kind]) for kind in kinds}
    return [_entry(kind, row, past[kind].get(row.history_id), people) for kind, row in rows]


def _rows(kind: str, wanted: Wanted) -> Any:
    """Return the history rows of a kind that are wanted, newest first."""
    name = "name" if kind in {Change.Kind.ENDPOINT, Change.Kind.PROMPT} else "key"
    rows = MODELS[kind].history.order_by("-history_date", "-history_id")
    conditions = {
        f"{name}__exact" if wanted.exact else f"{name}__icontains": wanted.key,
        "history_user_id__in": _named(wanted.person) if wanted.person else None,
        "history_date__date__gte": wanted.since,
        "history_date__date__lte": wanted.until,
        "history_date__lt": wanted.before,
        "release_version": wanted.release,
    }
    return rows.filter(**{k: v for k, v in conditions.items() if v not in (None, "")})


def _named(name: str) -> list[Any]:
    users = get_user_model().objects
    found = users.filter(Q(username__icontains=name) | Q(display_name__icontains=name))
    return list(found.values_list("pk", flat=True)[:100])


def _people(ids: Iterable[Any]) -> dict[Any, str]:
    found = get_user_model().objects.in_bulk({each for each in ids if each})
    return {pk: str(person) for pk, person in found.items()}


def _predecessors(kind: str, rows: Sequence[Any]) -> dict[int, Any]:
    """Return for each history row, by its id, the one before it of the same object."""
    if not rows:
        return {}
    near = Q()
    for row in rows:
        near |= Q(id=row.id, version__in=[row.version - 1, row.version])
    candidates = list(MODELS[kind].history.filter(near).order_by("history_id"))
    found = {}
    for row in rows:
        earlier = [c for c in candidates if c.id == row.id and c.history_id < row.history_id]
        found[row.history_id] = earlier[-1] if earlier else None
    return found


def _entry(kind: str, row: Any, before: Any, people: Mapping[Any, str]) -> Entry:
    old, new = _sides(kind, row, before)
    target = row.name if hasattr(row, "name") else row.key
    return Entry(
        id=row.history_id,
        kind=str(kind),
        target=target,
        group=_group_name(row.group_id) if kind == Change.Kind.OVERRIDE else "",
        version=row.version,
        action=row.history_type,
        when=row.history_date,
        who=people.get(row.history_user_id, ""),
        why=row.history_change_reason or "",
        release=row.release_version,
        request="" if row.request_id in ("", "-") else row.request_id,
        ip=row.ip or "",
        old=old,
        new=new,
        link=page_of(str(kind), target, row.id),
    )


def _group_name(pk: int) -> str:
    group = Group.objects.filter(pk=pk).first()
    return str(group) if group else gettext("a role that is gone")


def page_of(kind: str, target: str, pk: Any = None) -> str:
    """Return where a setting, endpoint or prompt is shown."""
    if kind in {Change.Kind.SETTING, Change.Kind.OVERRIDE}:
        return reverse("admin:configs_config_setting", args=[target])
    name = "modelendpoint" if kind == Change.Kind.ENDPOINT else "prompttemplate"
    row = MODELS[kind].objects.filter(name=target).first() if pk is None else None
    pk = row.pk if row else pk
    return reverse(f"admin:configs_{name}_change", args=[pk]) if pk else ""


def history_of(kind: str, target: str) -> str:
    """Return the address of the history of one setting, endpoint or prompt."""
    query = urlencode({"kind": kind, "key": target, "exact": "1"})
    return f"{reverse('admin:configs_config_changes')}?{query}"


def _sides(kind: str, row: Any, before: Any) -> tuple[str, str]:
    """Return old and new as they may be seen."""
    gone = row.history_type == DELETED
    if kind == Change.Kind.ENDPOINT:
        old = {} if row.history_type == CREATED else shown.endpoint_lines(row if gone else before)
        return _differing(old, {} if gone else shown.endpoint_lines(row))
    old_text = _text(kind, row if gone else before)
    return old_text, "" if gone else _text(kind, row)


def _text(kind: str, row: Any) -> str:
    if row is None:
        return ""
    if kind == Change.Kind.PROMPT:
        return str(row.text)
    sensitive = getattr(row, "is_sensitive", False)
    return shown.stored(row.key, row.value, sensitive=sensitive)


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, str]:
    """Return those fields as lines that are not the same on both sides."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return _lines(old, names), _lines(new, names)


def _lines(values: Mapping[str, str], names: Iterable[str]) -> str:
    return "\n".join(f"{name}: {values[name]}" for name in names if name in values)


def of_setting(key: str, *, limit: int) -> Iterator[Entry]:
    """Yield the last changes of a setting and of its exceptions."""
    found = [
        *entries(Wanted(kind=Change.Kind.SETTING, key=key, exact=True), limit=limit),
        *entries(Wanted(kind=Change.Kind.OVERRIDE, key=key, exact=True), limit=limit),
    ]
    found.sort(key=lambda entry: entry.when, reverse=True)
    setting = registry.SETTINGS.get(key)
    for entry in found[:limit]:
        if entry.action == CREATED and not entry.old and setting and not setting.sensitive:
            yield replace(entry, old=shown.whole(setting, setting.default))
        else:
            yield entry


def way_back(kind: str, past: Any) -> Wish:
    """Return the change that makes a row again what `past` was; a key stays the present one."""
    if kind == Change.Kind.PROMPT:
        return Wish(kind, past.name, value=past.text)
    if kind == Change.Kind.ENDPOINT:
        kept = services.ENDPOINT_FIELDS - {"api_key"}
        lives = ModelEndpoint.objects.filter(name=past.name).exists()
        action = Change.Action.SET if lives else Change.Action.CREATE
        return Wish(kind, past.name, action, {name: getattr(past, name) for name in sorted(kept)})
    if kind == Change.Kind.OVERRIDE:
        group = get_object_or_404(Group, pk=past.group_id)
        return Wish(kind, past.key, value=json.loads(past.value), group=group)
    wanted = setting_as(past)
    return Wish(kind, wanted.target, wanted.action, wanted.value)


def way_back_title(past: Any) -> str:
    """Return what a change set is called that goes back to `past`."""
    name = past.name if hasattr(past, "name") else past.key
    return gettext("%(name)s: back to version %(version)d") % {
        "name": name,
        "version": past.version,
    }
