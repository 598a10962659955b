"""What leaves a trace in the audit log: every act that it is meant for, with its origin."""

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from configs.admin.base import ClawAdmin
from configs.models import AuditEntry
from knowledge.models import KnowledgeBase
from tests.cast import person
from tests.factories import (
    PASSWORD,
    ConversationFactory,
    DocumentFactory,
    KnowledgeBaseFactory,
    QuestionFactory,
    ReplyFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
BrowserOf = Callable[..., Client]
ApiOf = Callable[..., APIClient]


def acts(**fields: object) -> list[str]:
    rows = AuditEntry.objects.filter(**fields).exclude(action__in=["login.success"])
    return list(rows.order_by("pk").values_list("action", flat=True))


def one(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action)


@pytest.fixture
def reader(db: None) -> User:
    """An auditor who may read others' words."""
    from accounts.models import Role

    user = person("rita", Role.AUDITOR)
    user.user_permissions.add(Permission.objects.get(codename="read_conversations"))
    return user


class TestSignIns:
    def test_login__good_bad_and_unknown__are_recorded_without_the_password(
        self, wiped_redis: object, alice: User
    ) -> None:
        client = Client(REMOTE_ADDR="203.0.113.7")
        client.post("/login/", {"username": "alice", "password": "not this one"})
        client.post("/login/", {"username": "nobody", "password": "not this one"})
        client.post("/login/", {"username": "alice", "password": PASSWORD})
        client.post("/logout/")
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
            client.post("/login/", {"username": "alice", "password": "wrong"})
        assert acts().count("login.limited") == 1

    def test_origin__forged_forwarded_header__is_not_believed(
        self, wiped_redis: object, alice: User
    ) -> None:
        client = Client(REMOTE_ADDR="203.0.113.7", HTTP_X_FORWARDED_FOR="10.9.9.9")
        client.post("/login/", {"username": "x", "password": "y"})
        assert one("login.failure").ip == "203.0.113.7"

    def test_origin__ipv6_and_given_request_id__are_kept_whole(
        self, wiped_redis: object, settings: object
    ) -> None:
        settings.TRUSTED_PROXIES = ["127.0.0.1/32"]
        client = Client(HTTP_X_FORWARDED_FOR="2001:db8::7", HTTP_X_REQUEST_ID="given-request-1")
        client.post("/login/", {"username": "x", "password": "y"})
        entry = one("login.failure")
        assert (entry.ip, entry.request_id, entry.door) == ("2001:db8::7", "given-request-1", "web")


class TestReading:
    def test_conversations__read_by_another_in_the_admin__is_recorded_without_words(
        self, alice: User, reader: User, browser_of: BrowserOf
    ) -> None:
        reply = ReplyFactory.create(parent__conversation__owner=alice, content="secret words")
        talk = reply.conversation
        client = browser_of(reader)
        client.get(f"/admin/conversations/conversation/{talk.pk}/change/")
        client.get(f"/admin/conversations/message/{reply.pk}/change/")
        rows = AuditEntry.objects.filter(action="conversation.read_by_other")
        assert [(row.object_id, row.actor) for row in rows] == [(str(talk.pk), reader)] * 2
        assert rows[0].detail == {"owner": "alice"}
        assert "secret words" not in str([row.__dict__ for row in rows])

    def test_list_of_messages__with_words__is_one_entry(
        self, alice: User, bob: User, reader: User, browser_of: BrowserOf
    ) -> None:
        for owner in (alice, bob):
            QuestionFactory.create(conversation=ConversationFactory.create(owner=owner))
        browser_of(reader).get("/admin/conversations/message/")
        entry = one("conversation.read_by_other")
        assert entry.detail["owners"] == ["alice", "bob"]

    def test_lists__without_the_right_to_words__are_no_reading(
        self, alice: User, aidan: User, browser_of: BrowserOf
    ) -> None:
        talk = ConversationFactory.create(owner=alice)
        client = browser_of(aidan)
        client.get("/admin/conversations/conversation/")
        client.get(f"/admin/conversations/conversation/{talk.pk}/change/")
        assert "conversation.read_by_other" not in acts()

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
        file = SimpleUploadedFile("plan.md", b"# very private text")
        made = client.post(
            f"/api/v1/knowledge-bases/{base['id']}/documents/", {"file": file}
        ).json()
        client.post(f"/api/v1/documents/{made['id']}/reindex/")
        client.delete(f"/api/v1/documents/{made['id']}/")
        assert acts(object_id=made["id"]) == [
            "document.upload", "document.reindex", "document.delete",
        ]  # fmt: skip
        assert "private" not in str([row.__dict__ for row in AuditEntry.objects.all()])


class TestAdminPosts:
    def test_every_screen__stands_on_the_class_that_records(self) -> None:
        others = [
            model._meta.label
            for model, screen in admin.site._registry.items()
            if not isinstance(screen, ClawAdmin)
        ]
        assert others == []

    def test_user__changed_by_form__says_which_fields_and_roles(
        self, administrator: User, alice: User, browser_of: BrowserOf
    ) -> None:
        groups = [group.pk for group in Group.objects.filter(name__in=["member", "auditor"])]
        answer = browser_of(administrator).post(
            f"/admin/accounts/user/{alice.pk}/change/",
            {
                "username": "alice",
                "display_name": "Alice L.",
                "email": alice.email,
                "language": "",
                "theme": "system",
                "is_active": "on",
                "groups": groups,
                "reason": "new post",
            },
        )
        assert answer.status_code == 302
        changed = AuditEntry.objects.filter(action="user.change").first()
        assert (changed.old, changed.new) == ({"display_name": ""}, {"display_name": "Alice L."})
        granted = AuditEntry.objects.filter(action="role.grant").values_list(
            "actor_name", flat=True
        )
        assert list(granted) == ["adele"]
        assert {row.door for row in AuditEntry.objects.filter(actor=administrator)} >= {"admin"}

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

    def test_user__shut_out_and_invited_by_action__is_recorded(
        self, administrator: User, browser_of: BrowserOf
    ) -> None:
        someone = UserFactory.create()
        client = browser_of(administrator)
        for action in ("make_invitations", "shut_out"):
            client.post(
                "/admin/accounts/user/",
                {"action": action, "_selected_action": str(someone.pk), "reason": "left"},
            )
        done = acts(object_id=str(someone.pk))
        assert "user.invite" in done
        assert "user.deactivate" in done
