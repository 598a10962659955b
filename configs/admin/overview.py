"""What the screen of settings lists: every setting that is declared, set or not, by subject."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from configs import crypto, registry, runtime
from configs.admin import drafting, shown
from configs.admin.forms import range_of
from configs.models import Change, ChangeSet, Config, ConfigOverride
from configs.registry import AnySetting


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from, in words; `code` is default, database or environment."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One setting as the screen shows it; `draft` is the open change set that is about it."""

    key: str
    meaning: str
    value: str
    default: str
    range: str
    source: Source
    changed: bool
    link: str
    version: int = 0
    who: str = ""
    when: datetime | None = None
    exceptions: int = 0
    sensitive: bool = False
    public: bool = False
    draft: ChangeSet | None = None

    @property
    def text(self) -> str:
        """Return what the filter box searches; never a secret."""
        parts = [self.key, self.meaning, self.who, self.source.text]
        return " ".join([*parts, "" if self.sensitive else self.value])


@dataclass(frozen=True, slots=True)
class Subject:
    """A group of settings with what it is about."""

    name: str
    title: str
    help: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class _State:
    """What the lines are made from, read once."""

    rows: Mapping[str, Config]
    exceptions: Mapping[str, int]
    drafts: Mapping[tuple[str, str], ChangeSet]
    snapshot: runtime.Snapshot


def subjects() -> Iterator[Subject]:
    """Yield each subject with its settings; free keys, and rows that nobody claims, at last."""
    state = _State(
        {row.key: row for row in Config.objects.select_related("updated_by")},
        Counter(ConfigOverride.objects.values_list("key", flat=True)),
        drafting.drafted([Change.Kind.SETTING, Change.Kind.OVERRIDE]),
        runtime.build(),
    )
    for group in registry.Group:
        lines = [line(s, state) for s in registry.SETTINGS.values() if s.group == group]
        if group == registry.Group.FREE:
            lines = [_free(row, state) for row in _free_rows(state)]
        if lines:
            yield Subject(group.value, str(group.label), str(group.help), lines)
    unclaimed = [_unclaimed(row) for row in _unclaimed_rows(state)]
    if unclaimed:
        hint = gettext("An earlier release declared these; nothing reads them now.")
        yield Subject("unknown", gettext("Unknown to this release"), hint, unclaimed)


def source_of(setting: AnySetting, code: str) -> Source:
    """Say where the value in force comes from."""
    if locked := runtime.locked_by(setting):
        return Source("environment", gettext("fixed by %(name)s") % {"name": locked})
    if code == "database":
        return Source("database", gettext("database"))
    return Source("default", gettext("default"))


def line(setting: AnySetting, state: _State) -> Line:
    """Return a declared setting as the screen shows it."""
    row = state.rows.get(setting.key)
    source = source_of(setting, state.snapshot.source(setting))
    value = state.snapshot.values[setting.key]
    return Line(
        key=setting.key,
        meaning=str(setting.help),
        value=_secret(row) if setting.sensitive else shown.brief(setting, value),
        default=shown.NOTHING if setting.sensitive else shown.brief(setting, setting.default),
        range=range_of(setting),
        source=source,
        changed=source.code != "default" and (setting.sensitive or value != setting.default),
        link=link_of(setting.key),
        exceptions=state.exceptions.get(setting.key, 0),
        sensitive=setting.sensitive,
        public=setting.public,
        draft=_draft(setting.key, state),
        **_touched(row),
    )


def link_of(key: str) -> str:
    """Return the page of a setting."""
    return reverse("admin:configs_config_setting", args=[key])


def _draft(key: str, state: _State) -> ChangeSet | None:
    kinds = (Change.Kind.SETTING, Change.Kind.OVERRIDE)
    return next((state.drafts[kind, key] for kind in kinds if (kind, key) in state.drafts), None)


def _touched(row: Config | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {"version": row.version, "who": str(row.updated_by or ""), "when": row.updated_at}


def _secret(row: Config | None) -> str:
    return crypto.masked(row.value) if row and row.value else shown.NOTHING


def _free_rows(state: _State) -> list[Config]:
    rows = state.rows.items()
    return [row for key, row in rows if key not in registry.SETTINGS and row.value_type]


def _unclaimed_rows(state: _State) -> list[Config]:
    rows = state.rows.items()
    return [row for key, row in rows if key not in registry.SETTINGS and not row.value_type]


def _free(row: Config, state: _State) -> Line:
    return Line(
        key=row.key,
        meaning=row.description,
        value=_stored(row),
        default=shown.NOTHING,
        range=str(row.get_value_type_display()),
        source=Source("database", gettext("database")),
        changed=False,
        link=link_of(row.key),
        sensitive=row.is_sensitive,
        public=row.is_public,
        draft=_draft(row.key, state),
        **_touched(row),
    )


def _unclaimed(row: Config) -> Line:
    return Line(
        key=row.key,
        meaning=row.description,
        value=_stored(row),
        default=shown.NOTHING,
        range="",
        source=Source("database", gettext("unknown to this release")),
        changed=False,
        link=link_of(row.key),
        sensitive=row.is_sensitive,
        **_touched(row),
    )


def _stored(row: Config) -> str:
    text = shown.stored(row.key, row.value, sensitive=row.is_sensitive)
    return text[: shown.BRIEF] or shown.NOTHING
