"""What the screen of settings lists: every setting that is declared, set or not, by subject."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.utils.translation import gettext

from configs import registry, runtime
from configs.admin.steering import masked_setting
from configs.models import Config
from configs.registry import AnySetting

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Line:
    """One setting as the screen shows it; `link` is empty where there is no form to open."""

    key: str
    meaning: str
    value: str
    default: str
    source: str
    link: str


def groups(*, may_set: bool) -> Iterator[tuple[str, list[Line]]]:
    """Yield each subject with its settings, and at last the rows that no setting claims.

    `may_set`: link settings that have no row yet to the form that gives them one.
    """
    rows = {row.key: row for row in Config.objects.select_related("updated_by")}
    snapshot = runtime.build()
    for group in registry.Group:
        settings = [each for each in registry.SETTINGS.values() if each.group == group]
        yield str(group.label), [_line(each, rows, snapshot, may_set) for each in settings]
    unknown = [row for key, row in rows.items() if key not in registry.SETTINGS]
    if unknown:
        yield gettext("Unknown to this release"), [_unclaimed(row) for row in unknown]


def text(value: object) -> str:
    """Return a value as it is typed into the form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(value: object) -> str:
    """Return a value as a list shows it."""
    return Truncator(text(value)).chars(80) or NOTHING


def source_of(setting: AnySetting, stored: bool) -> str:
    """Say where the value in force comes from; `stored`: the database holds one."""
    if locked := runtime.locked_by(setting):
        return gettext("fixed by %(name)s") % {"name": locked}
    return gettext("database") if stored else gettext("default")


def _line(
    setting: AnySetting, rows: dict[str, Config], snapshot: runtime.Snapshot, may_set: bool
) -> Line:
    row = rows.get(setting.key)
    return Line(
        key=setting.key,
        meaning=str(setting.help),
        value=_secret(row) if setting.sensitive else shown(snapshot.values[setting.key]),
        default=NOTHING if setting.sensitive else shown(setting.default),
        source=source_of(setting, snapshot.source(setting) == "database"),
        link=_link(setting, row, may_set),
    )


def _secret(row: Config | None) -> str:
    return masked_setting(row.value) if row and row.value else NOTHING


def _link(setting: AnySetting, row: Config | None, may_set: bool) -> str:
    if row:
        return reverse("admin:configs_config_change", args=[row.pk])
    if not may_set or runtime.locked_by(setting):
        return ""
    return f"{reverse('admin:configs_config_add')}?{urlencode({'key': setting.key})}"


def _unclaimed(row: Config) -> Line:
    link = reverse("admin:configs_config_change", args=[row.pk])
    value = masked_setting(row.value) if row.is_sensitive else shown(row.value)
    return Line(row.key, row.description, value, NOTHING, gettext("unknown to this release"), link)
