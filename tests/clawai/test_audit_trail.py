"""What leaves a trace in the audit log: every act that it is meant for, with its origin."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from clawai import celery
from clawai.logs import request_id
from configs import origin
from configs.admin.base import ClawAdmin
from configs.models import AuditEntry
from knowledge.models import KnowledgeBase
from tests.factories import (
    PASSWORD,
    ConversationFactory,
    DocumentFactory,
    DocumentVersionFactory,
    KnowledgeBaseFactory,
)

pytestmark = pytest.mark.django_db
BrowserOf = Callable[..., Client]
ApiOf = Callable[..., APIClient]


def acts(**fields: object) -> list[str]:
    rows = AuditEntry.objects.filter(**fields).exclude(action__in=["login.success"])
    return list(rows.order_by("pk").values_list("action", flat=True))


def one(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action)


class TestSignIns:
    def test_login__good_bad_and_unknown__are_recorded_without_the_password(
        self, wiped_redis: object, alice: User
    ) -> None:
        client = Client(REMOTE_ADDR="203.0.113.7")
        client.post("/accounts/login/", {"username": "alice", "password": "not this one"})
        client.post("/accounts/login/", {"username": "nobody", "password": "not this one"})
        client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
        client.post("/accounts/logout/")
        rows = list(AuditEntry.objects.order_by("pk"))
        assert [row.action for row in rows] == [
            "login.failure", "login.failure", "login.success", "logout",
        ]  # fmt: skip
        assert [row.object_name for row in rows] == ["alice", "nobody", "alice", "alice"]
        assert [row.detail.get("known") for row in rows[:2]] == [True, False]
        assert {row.ip for row in rows} == {"203.0.113.7"}
        assert all(row.request_id for row in rows)
        text = "".join(str(row.__dict__) for row in rows)
        assert "not this one" not in text
        assert PASSWORD not in text

    def test_login__too_often__is_recorded_once(self, wiped_redis: object, alice: User) -> None:
        client = Client()
        for _ in range(30):
            client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        assert acts().count("login.limited") == 1

    def test_origin__forged_forwarded_header__is_not_believed(
        self, wiped_redis: object, alice: User
    ) -> None:
        client = Client(REMOTE_ADDR="203.0.113.7", HTTP_X_FORWARDED_FOR="10.9.9.9")
        client.post("/accounts/login/", {"username": "x", "password": "y"})
        assert one("login.failure").ip == "203.0.113.7"

    def test_origin__ipv6_and_given_request_id__are_kept_whole(
        self, wiped_redis: object, settings: object
    ) -> None:
        settings.TRUSTED_PROXIES = ["127.0.0.1/32"]
        client = Client(HTTP_X_FORWARDED_FOR="2001:db8::7", HTTP_X_REQUEST_ID="given-request-1")
        client.post("/accounts/login/", {"username": "x", "password": "y"})
        entry = one("login.failure")
        assert (entry.ip, entry.request_id, entry.door) == ("2001:db8::7", "given-request-1", "web")


class TestConversations:
    def test_own_conversation__exported_and_deleted__is_recorded(
        self, alice: User, api_of: ApiOf
    ) -> None:
        talk = ConversationFactory.create(owner=alice)
        client = api_of(alice)
        client.get(f"/api/v1/conversations/{talk.pk}/export/?format=json")
        client.delete(f"/api/v1/conversations/{talk.pk}/")
        assert acts(object_id=str(talk.pk)) == ["conversation.export", "conversation.delete"]
        assert one("conversation.delete").door == "api"


class TestKnowledge:
    def test_base__made_shared_and_deleted__is_recorded_with_old_and_new(
        self, alice: User, bob: User, api_of: ApiOf
    ) -> None:
        client = api_of(alice)
        made = client.post("/api/v1/knowledge-bases/", {"name": "Plans"}, format="json").json()
        where = f"/api/v1/knowledge-bases/{made['id']}/"
        client.patch(
            where,
            {"name": "New plans", "visibility": "shared", "shared_users": [str(bob.pk)]},
            format="json",
        )
        client.delete(where)
        assert acts(object_id=made["id"]) == [
            "base.create", "base.change", "base.share", "base.delete",
        ]  # fmt: skip
        assert (one("base.change").old, one("base.change").new) == (
            {"name": "Plans"}, {"name": "New plans"},
        )  # fmt: skip
        assert one("base.share").new == {"shared_users": ["bob"], "visibility": "shared"}

    def test_document__uploaded_indexed_anew_and_deleted__is_recorded_without_text(
        self, alice: User, api_of: ApiOf
    ) -> None:
        client = api_of(alice)
        base = client.post("/api/v1/knowledge-bases/", {"name": "Plans"}, format="json").json()
        file = SimpleUploadedFile("plan.md", b"# the heron flies at dawn")
        where = f"/api/v1/knowledge-bases/{base['id']}/documents/"
        answer = client.post(where, {"file": file}, format="multipart")
        assert answer.status_code == 202, answer.json()
        made = answer.json()
        client.post(f"/api/v1/documents/{made['id']}/reindex/")
        client.delete(f"/api/v1/documents/{made['id']}/")
        assert acts(object_id=made["id"]) == [
            "document.upload", "document.reindex", "document.delete",
        ]  # fmt: skip
        assert "heron" not in str([row.__dict__ for row in AuditEntry.objects.all()])

    def test_texts__that_are_not_shared__are_read_in_the_logs_sight(
        self, alice: User, superuser: User, browser_of: BrowserOf
    ) -> None:
        version = DocumentVersionFactory.create(document__base__owner=alice)
        mine = DocumentVersionFactory.create(document__base__owner=superuser)
        client = browser_of(superuser)
        for each in (version, mine):
            client.get(f"/admin/knowledge/documentversion/{each.pk}/change/")
        assert one("document.read_by_other").object_id == str(version.document_id)
        client.get("/admin/knowledge/documentversion/")
        assert acts().count("document.read_by_other") == 2


class TestTasks:
    def test_task__caused_by_a_request__says_so(self) -> None:
        headers: dict[str, object] = {}
        with origin.of(origin.Origin("request-77", "203.0.113.7", "web")):
            celery.name_cause(headers=headers)
        task = SimpleNamespace(request=SimpleNamespace(is_eager=False, **headers))
        before = origin.current()
        try:
            celery.take_cause(task=task)
            assert origin.current() == origin.Origin("request-77", "203.0.113.7", "worker")
            assert request_id.get() == "request-77"
            celery.forget_cause(task=task)
            assert origin.current().request_id == "-"
        finally:
            origin.begin(before)


class TestAdminPosts:
    def test_every_screen__stands_on_the_class_that_records(self) -> None:
        others = [
            model._meta.label
            for model, screen in admin.site._registry.items()
            if not isinstance(screen, ClawAdmin)
        ]
        assert others == []

    def test_refusals__of_staff__are_recorded_and_bounded(
        self, aidan: User, browser_of: BrowserOf
    ) -> None:
        client = browser_of(aidan)
        for _ in range(30):
            client.post("/admin/accounts/user/add/", {"username": "forged"})
        rows = AuditEntry.objects.filter(action="access.denied", actor=aidan)
        assert 1 <= len(rows) <= 40  # twenty a minute, and a minute may end meanwhile
        assert rows[0].object_name == "/admin/accounts/user/add/"
        assert rows[0].detail["method"] == "POST"

    def test_base__changed_in_the_admin__leaves_one_entry_an_act(
        self, superuser: User, browser_of: BrowserOf
    ) -> None:
        base = KnowledgeBaseFactory.create(owner=superuser, name="Old")
        DocumentFactory.create(base=base)
        client = browser_of(superuser)
        where = f"/admin/knowledge/knowledgebase/{base.pk}/"
        fields = {"name": "New", "description": "", "visibility": "private"}
        assert client.post(f"{where}change/", fields).status_code == 302
        assert acts() == ["base.change"]
        assert client.post(f"{where}delete/", {"post": "yes"}).status_code == 302
        assert not KnowledgeBase.objects.exists()
        assert acts()[1:] in (["base.delete"], ["admin.delete", "base.delete"])
