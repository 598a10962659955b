"""Rights in plain words: what each permission lets a person do, grouped by what it is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import Permission
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

ENTER_ADMIN: Final = "accounts.enter_admin"
READ_CONVERSATIONS: Final = "accounts.read_conversations"
MANAGE_ROLES: Final = "auth.change_group"

SUBJECTS: Final[dict[str, str | Promise]] = {
    "people": gettext_lazy("People and roles"),
    "conversations": gettext_lazy("Conversations"),
    "knowledge": gettext_lazy("Knowledge"),
    "steering": gettext_lazy("Settings, models and prompts"),
    "records": gettext_lazy("History and audit"),
    "technical": gettext_lazy("Technical: tables without a screen of their own"),
}
_SUBJECT_OF_APP: Final = {
    "accounts": "people",
    "auth": "people",
    "conversations": "conversations",
    "knowledge": "knowledge",
    "configs": "steering",
    "admin": "records",
}
_TECHNICAL: Final = {"permission", "idempotentcall"}
_VERBS: Final = {
    "add": gettext_lazy("Add: %(things)s"),
    "change": gettext_lazy("Change: %(things)s"),
    "delete": gettext_lazy("Delete: %(things)s"),
    "view": gettext_lazy("See: %(things)s"),
    "export": gettext_lazy("Export: %(things)s"),
}
_ORDER: Final = {verb: place for place, verb in enumerate(("view", "add", "change", "delete"))}
OUTSIDE: Final = frozenset(
    {
        "conversations.add_conversation",
        "conversations.change_conversation",
        "conversations.delete_conversation",
        "conversations.add_message",
        "knowledge.add_knowledgebase",
        "knowledge.add_document",
        "knowledge.change_knowledgebase",
        "knowledge.delete_knowledgebase",
        "knowledge.change_document",
        "knowledge.delete_document",
        "accounts.delete_apikey",
        "configs.view_config",
        "configs.change_config",
    }
)
"""Rights that count outside the administration too; all others need `accounts.enter_admin`."""


@dataclass(frozen=True, slots=True)
class Right:
    """One permission as people read it; `id` is the permission's."""

    id: int
    code: str
    subject: str
    words: str
    thing: str
    place: int

    @property
    def only_in_admin(self) -> bool:
        """Whether it is of no use to somebody who may not enter the administration."""
        return self.code not in OUTSIDE and self.code != ENTER_ADMIN


def described(permissions: Iterable[Permission]) -> list[Right]:
    """Return the rights that `permissions` (with their content types) are, in reading order."""
    order = list(SUBJECTS)
    found = [_right(each) for each in permissions]
    return sorted(found, key=lambda r: (order.index(r.subject), r.thing, r.place, r.words))


def every() -> list[Right]:
    """Return all rights that there are; one query."""
    return described(Permission.objects.select_related("content_type").order_by())


def _right(permission: Permission) -> Right:
    kind = permission.content_type
    model: type[Model] | None = kind.model_class()
    verb = permission.codename.partition("_")[0]
    named = dict(model._meta.permissions) if model else {}
    plural = str(model._meta.verbose_name_plural) if model else kind.model
    if words := named.get(permission.codename):
        text, place = gettext(str(words)), len(_ORDER)
    elif verb in _VERBS:
        text, place = str(_VERBS[verb]) % {"things": plural}, _ORDER.get(verb, len(_ORDER))
    else:
        text, place = permission.name, len(_ORDER)
    subject = _subject(kind.app_label, kind.model)
    code = f"{kind.app_label}.{permission.codename}"
    return Right(permission.pk, code, subject, text, plural, place)


def _subject(app: str, model: str) -> str:
    if model.startswith("historical") or model == "auditentry":
        return "records"
    return "technical" if model in _TECHNICAL else _SUBJECT_OF_APP.get(app, "technical")
