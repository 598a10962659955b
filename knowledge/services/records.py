"""What the audit log says of bases and documents: never their texts."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from accounts.models import User
from configs import audit
from configs.audit import actions
from knowledge.models import Document, KnowledgeBase

SHARING: Final = frozenset({"visibility", "shared_users", "shared_groups"})


def described(base: KnowledgeBase) -> dict[str, Any]:
    """Return what of a base can be changed, with the names of those who share it."""
    people = base.shared_users.order_by("username").values_list("username", flat=True)
    groups = base.shared_groups.order_by("name").values_list("name", flat=True)
    return {
        "name": base.name,
        "description": base.description,
        "visibility": str(base.visibility),
        "shared_users": list(people),
        "shared_groups": list(groups),
    }


def change_of_base(base: KnowledgeBase, before: Mapping[str, Any], *, actor: User) -> None:
    """Record what was changed of a base, and apart from it with whom it is shared."""
    after = described(base)
    changed = {name for name in after if after[name] != before[name]}
    for action, names in (
        (actions.BASE_CHANGE, changed - SHARING),
        (actions.BASE_SHARE, changed & SHARING),
    ):
        if names:
            old = {name: before[name] for name in sorted(names)}
            new = {name: after[name] for name in sorted(names)}
            of_base(action, base, actor=actor, old=old, new=new)


def of_base(
    action: str,
    base: KnowledgeBase,
    *,
    actor: User,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
) -> None:
    """Record an act upon a base."""
    audit.record(
        action=action,
        actor=actor,
        object_type="knowledgebase",
        object_id=base.pk,
        object_name=base.name,
        old=old,
        new=new,
    )


def of_document(
    action: str, document: Document, *, actor: User, new: Mapping[str, Any] | None = None
) -> None:
    """Record an act upon a document."""
    audit.record(
        action=action,
        actor=actor,
        object_type="document",
        object_id=document.pk,
        object_name=document.name,
        new=new,
        detail={"base": str(document.base_id)},
    )


def reading(documents: Collection[Document], *, actor: User) -> None:
    """Record that texts were read which are not shared with the reader: one entry for a list."""
    if len(documents) == 1:
        of_document(actions.DOCUMENT_READ, *documents, actor=actor)
    elif documents:
        audit.record(
            action=actions.DOCUMENT_READ,
            actor=actor,
            object_type="document",
            detail={"documents": sorted(str(document.pk) for document in documents)},
        )
