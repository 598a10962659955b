"""One row of every model that the admin shows, and every address that it has."""

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from accounts.models import IdempotentCall, TokenFamily
from configs import audit, registry, services
from configs.models import ChangeSet, Job, RunningProcess
from knowledge.models import Chunk, IndexedVersion
from tests import factories

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
WORDS = "the-canary-of-a-private-thought"
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def url(model, page, *args):
    """Return the address of a model's page in the admin."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=args)


@dataclass(frozen=True)
class Address:
    """An address of the admin; `route` names it, `model` is what its object is of."""

    route: str
    model: type | None

    def filled(self, rows):
        """Return the address with the model's row in the places of its parameters."""
        row = rows.get(self.model)
        pk = getattr(row, "pk", None) or uuid4()
        given = {"what": "sign-out", "key": registry.RETRIEVAL_TOP_K.key, "version": 1}
        given |= {"app_label": "accounts", "url": "nowhere"}
        return "/admin/" + PARAMETER.sub(lambda found: str(given.get(found[1], pk)), self.route)


def addresses():
    """Return every address below /admin/."""
    (site,) = (each for each in get_resolver().url_patterns if str(each.pattern) == "admin/")
    return list(_walk(site.url_patterns, ""))


def _walk(patterns, before):
    for pattern in patterns:
        route = before + str(pattern.pattern).replace("^", "").replace("$", "")
        if isinstance(pattern, URLPattern):
            yield Address(re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route), _model(route))
        else:
            yield from _walk(pattern.url_patterns, route)


def _model(route):
    parts = route.split("/")
    for model in MODELS:
        if parts[:2] == [model._meta.app_label, model._meta.model_name]:
            return model
    return None


def one_of_each(owner):
    """Make a row of every model and return them by it."""
    conversation = factories.ConversationFactory(owner=owner, title=WORDS)
    question = factories.QuestionFactory(conversation=conversation, content=WORDS)
    reply = factories.ReplyFactory(parent=question, content=WORDS)
    base = factories.KnowledgeBaseFactory(owner=owner, visibility="everyone")
    generation = factories.IndexGenerationFactory(base=base)
    version = factories.DocumentVersionFactory(document=factories.DocumentFactory(base=base))
    Chunk.objects.create(
        base=base, generation=generation, document=version.document, version=version,
        ordinal=0, text="Hello", start=0, end=5, dimensions=3,
    )  # fmt: skip
    IndexedVersion.objects.create(generation=generation, version=version, chunks=1)
    factories.CitationFactory(message=reply, version=version)
    factories.FeedbackFactory(message=reply, comment=WORDS)
    factories.ApiKeyFactory(owner=owner)
    factories.ModelEndpointFactory()
    factories.PromptTemplateFactory()
    TokenFamily.objects.create(user=owner, current="x", password_stamp="x", expires_at=_soon())
    IdempotentCall.objects.create(user=owner, key="k", fingerprint="f")
    RunningProcess.objects.create(name="web", host="h", pid=1, seen_at=timezone.now())
    Job.objects.create(kind="reindex", title="Re-index", owner=owner)
    ChangeSet.objects.create(title="Draft", author=owner)
    services.change_setting(key=registry.RETRIEVAL_TOP_K.key, value=7, actor=owner)
    audit.record(action="admin.add", actor=owner)
    LogEntry.objects.log_actions(owner.pk, [base], 2, "looked", single_object=True)
    rows = {model: model._default_manager.first() for model in MODELS}
    return rows | {Group: Group.objects.get(name="research"), type(reply): reply}


def _soon():
    return timezone.now() + timedelta(days=1)


def fingerprint(but=()):
    """Return a hash of every table's rows, but of those named and of sessions."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if table in {"django_session", *but}:
                continue
            rows = "coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')"
            cursor.execute(f'SELECT md5({rows}) FROM "{table}" t')
            found[table] = cursor.fetchone()[0]
    return found
