"""The admin's search: one box for every kind of thing that its user may see."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from unfold.dataclasses import SearchResult

from accounts.models import User
from configs import jobs, registry
from configs.models import AuditEntry, ModelEndpoint, PromptTemplate
from conversations.models import Conversation, Message
from knowledge.models import Document, KnowledgeBase

EACH: Final = 6
"""Results of one kind, at most."""
LONGEST: Final = 200
SHORTEST: Final = 2
Finder = Callable[[HttpRequest, str], Iterator[SearchResult]]


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Answer the box with what its user may see; nothing of it is kept in a cache."""
    began = time.perf_counter()
    words = request.GET.get("s", "").strip()[:LONGEST]
    if len(words) < SHORTEST and not words[:1] > "\u2e7f":
        return HttpResponse()
    found = [
        result
        for right, finder in FINDERS
        if right is None or request.user.has_perm(right)
        for result in islice(finder(request, words), EACH)
    ]
    pages = Paginator(found, max(len(found), 1))
    context = {
        "page_obj": pages,
        "results": pages.page(1),
        "page_counter": 0,
        "execution_time": time.perf_counter() - began,
        "command_show_history": False,
    }
    answer = TemplateResponse(request, "unfold/helpers/command_results.html", context)
    answer.headers["HX-Trigger"] = "search"
    return answer


def _result(title: object, kind: object, to: str, icon: str) -> SearchResult:
    return SearchResult(title=str(title), description=str(kind), link=to, icon=icon)


def _screens(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    site: Any = admin.site  # the theme's own
    for group in site.get_sidebar_list(request):
        for item in group["items"]:
            if item.get("has_permission", True) and words.lower() in str(item["title"]).lower():
                yield _result(item["title"], group["title"], str(item["link"]), item["icon"])


def _people(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    fits = Q(username__icontains=words) | Q(display_name__icontains=words)
    for row in User.objects.filter(fits | Q(email__icontains=words)).order_by("username")[:EACH]:
        to = reverse("admin:accounts_user_change", args=[row.pk])
        yield _result(row.display_name or row.username, f"{_('User')} {row.email}", to, "person")


def _talks(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """Find anybody's by id; titles are words: one's own are found, others' by nobody."""
    number = _id(words)
    fits = Q(pk=number) if number else Q(owner=request.user.pk, title__icontains=words)
    for row in Conversation.objects.filter(fits).order_by("-updated_at")[:EACH]:
        to = reverse("admin:conversations_conversation_change", args=[row.pk])
        own = row.owner_id == request.user.pk
        yield _result(str(row) if own else row.pk, _("Conversation"), to, "forum")


def _messages(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    if number := _id(words):
        for row in Message.objects.filter(pk=number).only("pk", "role"):
            to = reverse("admin:conversations_message_change", args=[row.pk])
            yield _result(row.pk, row.get_role_display(), to, "chat")


def _documents(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    rows = Document.objects.select_related("base").filter(_named(words))
    for row in rows.order_by("-created_at")[:EACH]:
        to = reverse("admin:knowledge_document_change", args=[row.pk])
        yield _result(row.name, f"{_('Document')} {row.base}", to, "description")


def _bases(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    for row in KnowledgeBase.objects.filter(_named(words)).order_by("name")[:EACH]:
        to = reverse("admin:knowledge_knowledgebase_health", args=[row.pk])
        yield _result(row.name, _("Knowledge base"), to, "library_books")


def _settings(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    wanted = words.lower()
    for key, setting in registry.SETTINGS.items():
        if wanted in key or wanted in str(setting.help).lower():
            to = reverse("admin:configs_config_setting", args=[key])
            yield _result(key, setting.help, to, "tune")


def _endpoints(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    rows = ModelEndpoint.objects.filter(Q(name__icontains=words) | Q(model__icontains=words))
    for row in rows.order_by("name")[:EACH]:
        to = reverse("admin:configs_modelendpoint_change", args=[row.pk])
        yield _result(row.name, _("Model endpoint"), to, "hub")


def _prompts(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    for row in PromptTemplate.objects.filter(name__icontains=words).order_by("name")[:EACH]:
        to = reverse("admin:configs_prompttemplate_change", args=[row.pk])
        yield _result(row.name, _("Prompt template"), to, "edit_note")


def _jobs(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    for row in jobs.visible_to(request.user).filter(title__icontains=words)[:EACH]:
        to = f"{reverse('admin:configs_job_changelist')}#job-{row.pk}"
        yield _result(row.title, _("Job"), to, "hourglass")


def _audited(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """Find what one request did, by its id."""
    for row in AuditEntry.objects.filter(request_id=words).order_by("-id")[:EACH]:
        to = reverse("admin:configs_auditentry_change", args=[row.pk])
        yield _result(row.action, f"{_('Audit')} {row.actor_name}", to, "policy")


def _named(words: str) -> Q:
    number = _id(words)
    return Q(pk=number) if number else Q(name__icontains=words)


def _id(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


FINDERS: Final[tuple[tuple[str | None, Finder], ...]] = (
    (None, _screens),
    ("accounts.view_user", _people),
    ("knowledge.view_knowledgebase", _bases),
    ("knowledge.view_document", _documents),
    ("conversations.view_conversation", _talks),
    ("conversations.view_message", _messages),
    ("configs.view_config", _settings),
    ("configs.view_modelendpoint", _endpoints),
    ("configs.view_prompttemplate", _prompts),
    (None, _jobs),
    ("configs.view_auditentry", _audited),
)
