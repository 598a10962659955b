"""The pages of the knowledge room, and the text of a document around a passage."""

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import limits
from accounts.models import User
from configs import registry, runtime
from knowledge import services
from knowledge.models import Document, DocumentVersion, KnowledgeBase

WINDOW = 20_000
"""Characters shown on each side of a passage."""
PEOPLE = 500
"""People and groups that the sharing dialog offers, at most."""


def _person(request: HttpRequest) -> User:
    """Return who is signed in; `login_required` or the view has seen to it that someone is."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def _frame(user: User, entry: str, page: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Return the context that every page of the room shares."""
    megabytes = services.max_bytes(user) >> 20
    page["limits"] = {
        "bytes": megabytes * 1024 * 1024,
        "text": _("The file is larger than %(limit)s MB.") % {"limit": megabytes},
        "accept": ",".join(services.accepted()),
    }
    page["sharing"] = limits.of_person(user, registry.SHARING_ENABLED)
    brand = runtime.current().get(registry.BRANDING_NAME)
    return {"entry": entry, "section": "knowledge", "brand": brand, "page": page, **context}


@require_safe
@never_cache
@login_required
def bases(request: HttpRequest) -> HttpResponse:
    """Show the bases that one may read."""
    user = _person(request)
    editable = KnowledgeBase.objects.editable_by(user).values_list("pk", flat=True)
    return render(
        request,
        "knowledge/bases.html",
        _frame(user, "knowledge-bases.js", {"editable": [str(pk) for pk in editable]}),
    )


@require_safe
@never_cache
@login_required
def base(request: HttpRequest, slug: str, *, searching: bool = False) -> HttpResponse:
    """Show one base with its documents, or its search test.

    Raises:
        Http404: there is no such base, or one may not read it.
    """
    user = _person(request)
    row = get_object_or_404(KnowledgeBase.objects.visible_to(user), slug=slug)
    editable = KnowledgeBase.objects.editable_by(user).filter(pk=row.pk).exists()
    sharing = limits.of_person(user, registry.SHARING_ENABLED)
    page = {
        "base": {"id": row.pk, "name": row.name, "slug": row.slug},
        "editable": editable,
        "topK": runtime.current().get(registry.RETRIEVAL_TOP_K),
        **(_sharers(user) if editable and sharing and not searching else {}),
    }
    entry = "search-test.js" if searching else "knowledge-base.js"
    return render(
        request, "knowledge/base.html", _frame(user, entry, page, base=row, searching=searching)
    )


@require_safe
@login_required
def base_by_id(request: HttpRequest, base: uuid.UUID) -> HttpResponse:
    """Lead to a base's page from its id.

    Raises:
        Http404: there is no such base, or one may not read it.
    """
    row = get_object_or_404(KnowledgeBase.objects.visible_to(_person(request)), pk=base)
    return redirect("knowledge:base", slug=row.slug)


def _sharers(user: User) -> dict[str, Any]:
    """Return the people and groups with whom a base can be shared."""
    people = User.objects.filter(is_active=True).exclude(pk=user.pk)[:PEOPLE]
    groups = Group.objects.order_by("name")[:PEOPLE]
    return {
        "people": [{"id": each.pk, "name": str(each)} for each in people],
        "groups": [{"id": each.pk, "name": each.name} for each in groups],
    }


@require_safe
@never_cache
@login_required
def document(request: HttpRequest, document: uuid.UUID) -> HttpResponse:
    """Show one document with its passages.

    Raises:
        Http404: there is no such document, or one may not read it.
    """
    user = _person(request)
    visible = Document.objects.visible_to(user).select_related("base", "current_version")
    row = get_object_or_404(visible, pk=document)
    page = {
        "document": row.pk,
        "editable": Document.objects.editable_by(user).filter(pk=row.pk).exists(),
        "base": {"id": row.base_id, "slug": row.base.slug},
        "versions": [_version(each, row) for each in row.versions.defer("text", "outline")],
    }
    return render(
        request, "knowledge/document.html", _frame(user, "document-page.js", page, document=row)
    )


def _version(version: DocumentVersion, row: Document) -> dict[str, Any]:
    return {
        "number": version.number,
        "size": version.size,
        "type": version.content_type,
        "created_at": version.created_at,
        "current": version.pk == row.current_version_id,
    }


@require_safe
@never_cache
def text(request: HttpRequest, document: uuid.UUID) -> HttpResponse:
    """Answer the text of a version around the characters `start`..`end`, as JSON.

    Raises:
        Http404: there is no such document or version, or one may not read it.
    """
    if not request.user.is_authenticated:
        return JsonResponse({"code": "not_authenticated"}, status=401)
    row = get_object_or_404(Document.objects.visible_to(_person(request)), pk=document)
    number = _whole(request, "version")
    version = _of_number(row.versions.all(), number) if number else row.current_version
    if version is None:
        raise Http404
    first = max(0, _whole(request, "start") - WINDOW)
    last = max(_whole(request, "end"), first) + WINDOW
    return JsonResponse(
        {
            "text": version.text[first:last],
            "offset": first,
            "length": len(version.text),
            "version": version.number,
            "current": version.pk == row.current_version_id,
        }
    )


def _of_number(versions: QuerySet[DocumentVersion], number: int) -> DocumentVersion | None:
    return versions.filter(number=number).first()


def _whole(request: HttpRequest, name: str) -> int:
    """Return a whole number from the query, 0 where there is none that makes sense."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0  # noqa: PLR2004
