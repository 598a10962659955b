"""Who may see and change which bases and documents: every door starts here."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.models import User
    from knowledge.models import Document, KnowledgeBase


def _readable(user: "User", prefix: str = "") -> Q:
    """Return the rule for bases that `user` may read, from the point of view of `prefix`."""
    return (
        Q(**{f"{prefix}visibility": "everyone"})
        | Q(**{f"{prefix}owner": user})
        | Q(**{f"{prefix}visibility": "shared", f"{prefix}shared_users": user})
        | Q(**{f"{prefix}visibility": "shared", f"{prefix}shared_groups__user": user})
    )


class KnowledgeBaseQuerySet(models.QuerySet["KnowledgeBase"]):
    """Bases, by what a person may do with them."""

    def visible_to(self, user: "User") -> Self:
        """Return the bases whose documents `user` may read and ask."""
        mine = self.model._default_manager.filter(_readable(user)).values("pk")
        return self.filter(pk__in=mine)

    def editable_by(self, user: "User") -> Self:
        """Return the bases that `user` may add to, change and delete."""
        if user.has_perm("knowledge.change_knowledgebase"):
            return self.visible_to(user)
        return self.filter(owner=user)


class DocumentQuerySet(models.QuerySet["Document"]):
    """Documents, by what a person may do with the base that they are in."""

    def visible_to(self, user: "User") -> Self:
        """Return the documents of the bases that `user` may read."""
        return self.filter(base__in=self._bases().visible_to(user))

    def editable_by(self, user: "User") -> Self:
        """Return the documents of the bases that `user` may change."""
        return self.filter(base__in=self._bases().editable_by(user))

    def _bases(self) -> KnowledgeBaseQuerySet:
        """Return the query of the bases that documents belong to (models import this module)."""
        return KnowledgeBaseQuerySet(self.model._meta.get_field("base").related_model)
