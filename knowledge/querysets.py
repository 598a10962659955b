"""Who may see and change which bases and documents: every door starts here."""

from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

if TYPE_CHECKING:
    from accounts.models import User
    from knowledge.models import Document, KnowledgeBase  # noqa: F401  # named as strings below


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

    def described_for(self, user: "User") -> Self:
        """Add what a list shows: `document_count`, `failed_count`, `size`, `is_editable`."""
        documents = self.model._meta.get_field("documents").related_model
        inside = documents._default_manager.filter(base=OuterRef("pk")).order_by().values("base")
        mine = self.model._default_manager.editable_by(user).filter(pk=OuterRef("pk"))
        return self.annotate(
            document_count=_number(inside.annotate(n=Count("pk"))),
            failed_count=_number(inside.filter(status="failed").annotate(n=Count("pk"))),
            size=_number(inside.annotate(n=Sum("current_version__size"))),
            is_editable=Exists(mine),
        )


def _number(counted: models.QuerySet[Any]) -> Coalesce:
    # In no order: a default order would join its own tables, under names of the outer query.
    return Coalesce(
        Subquery(counted.order_by().values("n")), 0, output_field=models.BigIntegerField()
    )


class DocumentQuerySet(models.QuerySet["Document"]):
    """Documents, by what a person may do with the base that they are in."""

    def visible_to(self, user: "User") -> Self:
        """Return the documents of the bases that `user` may read."""
        return self.filter(base__in=self._bases().visible_to(user))

    def editable_by(self, user: "User") -> Self:
        """Return the documents of the bases that `user` may change."""
        return self.filter(base__in=self._bases().editable_by(user))

    def described(self) -> Self:
        """Add what a list shows: the newest version's figures, and `chunk_count` of that in use."""
        # By name: the models import this module.
        versions = apps.get_model("knowledge", "DocumentVersion")
        indexed = apps.get_model("knowledge", "IndexedVersion")
        newest = versions._default_manager.filter(document=OuterRef("pk")).order_by("-number")
        return self.annotate(
            newest_number=Subquery(newest.values("number")[:1]),
            newest_size=Subquery(newest.values("size")[:1]),
            newest_type=Subquery(newest.values("content_type")[:1]),
            chunk_count=_number(
                indexed._default_manager.filter(
                    version=OuterRef("current_version_id"),
                    generation=OuterRef("base__active_generation_id"),
                ).annotate(n=F("chunks"))
            ),
        )

    def _bases(self) -> KnowledgeBaseQuerySet:
        """Return the query of the bases that documents belong to (models import this module)."""
        return KnowledgeBaseQuerySet(self.model._meta.get_field("base").related_model)
