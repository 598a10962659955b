"""What the screens of roles and people show: who has which right, and from where."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Count
from django.utils.translation import gettext

from accounts import rights, roles
from accounts.models import Role, User
from accounts.rights import Right


@dataclass(frozen=True, slots=True)
class Column:
    """A role as the matrix shows it; `editable` holds the rights that the reader may give."""

    group: Group
    name: str
    description: str
    people: int
    held: frozenset[int]
    editable: frozenset[int]
    system: bool


@dataclass(frozen=True, slots=True)
class Box:
    """One cell: a role has a right, or not; `name` is what the form sends."""

    name: str
    role: str
    held: bool
    open: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A right with its cells."""

    right: Right
    boxes: tuple[Box, ...]

    @property
    def open(self) -> bool:
        """Whether the reader may change any of it."""
        return any(box.open for box in self.boxes)

    @property
    def differs(self) -> bool:
        """Whether some of the roles have the right and some have not."""
        return len({box.held for box in self.boxes}) > 1


@dataclass(frozen=True, slots=True)
class Subject:
    """Rows about one subject."""

    name: str
    title: str
    rows: tuple[Row, ...]


def role_words(group: Group) -> str:
    """Return what a role is called, in the reader's language."""
    known = {role.value: role.label for role in Role}
    return str(known.get(group.name, group.name))


def about(group: Group) -> str:
    """Return what a role is for; select its `note`."""
    note = getattr(group, "note", None)
    return note.description if note else _purpose(group.name)


def columns(reader: User, *, system: bool, every: Iterable[Right]) -> list[Column]:
    """Return the roles of the system in their order, or the others by name; four queries."""
    rows = Group.objects.annotate(people=Count("user")).select_related("note")
    rows = rows.prefetch_related("permissions").order_by("name")
    chosen = rows.filter(name__in=roles.NAMES) if system else rows.exclude(name__in=roles.NAMES)
    own = reader.get_all_permissions()
    givable = frozenset(right.id for right in every if right.code in own)
    order = [role.value for role in Role]
    found = [_column(reader, group, givable) for group in chosen]
    return sorted(found, key=lambda c: order.index(c.group.name) if system else 0)


def _column(reader: User, group: Any, givable: frozenset[int]) -> Column:
    may = roles.may_touch(actor=reader, group=group)
    return Column(
        group=group,
        name=role_words(group),
        description=about(group),
        people=group.people,
        held=frozenset(each.pk for each in group.permissions.all()),
        editable=givable if may else frozenset(),
        system=group.name in roles.NAMES,
    )


def _purpose(name: str) -> str:
    """Return what a role of the system is for."""
    about = {
        Role.ADMINISTRATOR: gettext("Keeps people, roles and everything else but private words."),
        Role.OPERATOR: gettext("Steers settings, models and prompts; sees everything."),
        Role.AUDITOR: gettext("Sees everything and changes nothing."),
        Role.KNOWLEDGE_EDITOR: gettext("Looks after the knowledge bases."),
        Role.INTEGRATOR: gettext("Builds programs on the interfaces."),
        Role.MEMBER: gettext("Asks questions and keeps documents; everyone has it."),
    }
    return about.get(Role(name), "") if name in roles.NAMES else ""


def matrix(found: Sequence[Column], every: Iterable[Right]) -> list[Subject]:
    """Return the rights by subject, each with a cell for every column."""
    by_subject: dict[str, list[Row]] = {}
    for right in every:
        boxes = tuple(
            Box(
                name=f"{column.group.pk}:{right.id}",
                role=column.name,
                held=right.id in column.held,
                open=right.id in column.editable,
            )
            for column in found
        )
        by_subject.setdefault(right.subject, []).append(Row(right, boxes))
    return [
        Subject(name, str(title), tuple(by_subject[name]))
        for name, title in rights.SUBJECTS.items()
        if name in by_subject
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """A right that a person has, and what gives it to them."""

    right: Right
    sources: tuple[str, ...]


def held_by(person: User) -> list[tuple[str, list[Held]]]:
    """Return a person's rights by subject, with the roles that give them; four queries."""
    given: dict[int, list[str]] = {}
    for group in person.groups.prefetch_related("permissions").order_by("name"):
        for each in group.permissions.all():
            given.setdefault(each.pk, []).append(role_words(group))
    for each in person.user_permissions.all():
        given.setdefault(each.pk, []).append(gettext("given directly"))
    wanted = Permission.objects.select_related("content_type").order_by()
    if not person.is_superuser:
        wanted = wanted.filter(pk__in=given)
    everything = [gettext("all rights")] if person.is_superuser else []
    return _by_subject(
        [
            Held(right, tuple(everything + given.get(right.id, [])))
            for right in rights.described(wanted)
        ]
    )


def _by_subject(held: Iterable[Held]) -> list[tuple[str, list[Held]]]:
    found: dict[str, list[Held]] = {}
    for each in held:
        found.setdefault(each.right.subject, []).append(each)
    return [(str(rights.SUBJECTS[name]), rows) for name, rows in found.items()]


def words_of(ids: Iterable[int]) -> list[Right]:
    """Return rights in words, in reading order."""
    rows = Permission.objects.filter(pk__in=list(ids)).select_related("content_type")
    return rights.described(rows)


def codes_in_words(codes: Iterable[str]) -> Mapping[str, str]:
    """Return by `app.codename` what rights are called; those that are gone keep their code."""
    known = {right.code: right.words for right in rights.every()}
    return {code: known.get(code, code) for code in codes}
