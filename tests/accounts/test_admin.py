"""The admin: who sees what, who changes what, by whatever route; and no secret on any page."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role, User
from configs import registry, services
from configs.models import Config, ModelEndpoint, PromptTemplate, Release
from conversations.models import Conversation
from knowledge.models import Chunk, Document, IndexedVersion, KnowledgeBase
from tests import factories
from tests.cast import person

CANARY = "sk-CANARY-0123456789-abcdwxyz"
WORDS = "the-canary-of-a-private-thought"
UNREGISTERED = {"RoleGrant", "TermFrequency"}
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


def url(model, page, *args):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=args)


@pytest.fixture
def rows(db, alice):
    """One row of every registered model."""
    conversation = factories.ConversationFactory(owner=alice, title=WORDS)
    question = factories.QuestionFactory(conversation=conversation, content=WORDS)
    reply = factories.ReplyFactory(parent=question, content=WORDS)
    base = factories.KnowledgeBaseFactory(owner=alice, visibility="everyone")
    generation = factories.IndexGenerationFactory(base=base)
    document = factories.DocumentFactory(base=base)
    version = factories.DocumentVersionFactory(document=document)
    Chunk.objects.create(
        base=base, generation=generation, document=document, version=version,
        ordinal=0, text="Hello", start=0, end=5, dimensions=3,
    )  # fmt: skip
    IndexedVersion.objects.create(generation=generation, version=version, chunks=1)
    factories.CitationFactory(message=reply, version=version)
    factories.FeedbackFactory(message=reply, comment=WORDS)
    factories.ConfigFactory(key=registry.RETRIEVAL_TOP_K.key, value="7")
    LogEntry.objects.log_actions(alice.pk, [base], 2, "looked", single_object=True)
    return {model: model._default_manager.first() for model in MODELS}


def test_registry__every_model_of_ours__has_a_screen():
    ours = {
        model
        for app in ("accounts", "configs", "conversations", "knowledge")
        for model in apps.get_app_config(app).get_models()
        if not model.__name__.startswith("Historical") and model.__name__ not in UNREGISTERED
    }
    assert ours <= set(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_auditor__every_screen__reads_in_both_languages(browser_of, aidan, rows, model):
    browser = browser_of(aidan)
    for language in ("en", "zh-hans"):
        for page in (url(model, "changelist"), url(model, "change", rows[model].pk)):
            response = browser.get(page, headers={"Accept-Language": language})
            assert response.status_code == 200, page
            assert WORDS not in response.content.decode()
    history = url(model, "history", rows[model].pk)
    assert browser.get(history).status_code == 200
    if admin.site._registry[model].search_fields:
        found = browser.get(url(model, "changelist"), {"q": "zzz no such thing"})
        assert found.status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_search__anything_typed__is_answered(browser_of, superuser, rows, model):
    browser = browser_of(superuser)
    for q in ("alice", "%_\\", "' OR 1=1 --", "x" * 10_000, "0" * 32):
        assert browser.get(url(model, "changelist"), {"q": q}).status_code in {200, 302}


def snapshot():
    tables = [model._meta.db_table for model in apps.get_models() if model is not LogEntry]
    skipped = {"django_session"}
    with connection.cursor() as cursor:
        found = {}
        for table in tables:
            if table in skipped:
                continue
            rows = "coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')"
            cursor.execute(f'SELECT md5({rows}) FROM "{table}" t')
            found[table] = cursor.fetchone()
        return found


FORGED = {
    "username": "mallory", "is_superuser": "on", "is_staff": "on", "is_active": "on",
    "name": "mallory", "key": "retrieval.top_k", "value": "9", "text": "{passages}",
    "kind": "chat", "provider": "fake", "reason": "because", "_save": "Save", "_saveasnew": "1",
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_auditor__forged_posts__are_refused_and_change_nothing(browser_of, aidan, rows, model):
    browser = browser_of(aidan)
    pk = rows[model].pk
    before = snapshot()
    attempts = [
        (url(model, "add"), FORGED),
        (url(model, "change", pk), FORGED),
        (url(model, "delete", pk), {"post": "yes"}),
        (
            url(model, "changelist"),
            {"action": "delete_selected", "_selected_action": [pk], "post": "yes"},
        ),
        (url(model, "changelist"), {"action": "shut_out", "_selected_action": [pk], "index": "0"}),
        (url(model, "changelist"), {"action": "reindex", "_selected_action": [pk], "index": "0"}),
        (
            url(model, "changelist"),
            {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": pk, "_save": "Save"},
        ),
    ]
    for address, body in attempts:
        assert browser.post(address, body).status_code == 403, address
    assert snapshot() == before


def test_auditor__forged_return_to_a_past_version__is_refused(browser_of, aidan, olga):
    services.change_prompt(name="answer", text="One {passages}", actor=olga)
    prompt = PromptTemplate.objects.get(name="answer")
    past = prompt.history.last()
    response = browser_of(aidan).post(
        url(PromptTemplate, "simple_history", prompt.pk, past.pk), {"text": "x"}
    )
    assert response.status_code == 403
    prompt.refresh_from_db()
    assert prompt.text == "One {passages}"


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_member__any_screen__is_closed(request, browser_of, who, db):
    browser = browser_of(request.getfixturevalue(who))
    for model in MODELS:
        assert browser.get(url(model, "changelist"), follow=True).status_code == 403


def test_post__without_csrf_token__is_refused(browser_of, superuser, rows):
    browser = browser_of(superuser, enforce_csrf_checks=True)
    for model in MODELS:
        assert (
            browser.post(url(model, "changelist"), {"action": "delete_selected"}).status_code == 403
        )


# --- The operator ------------------------------------------------------------------------------
def person_form(user, **changes):
    fields = {
        "username": user.username, "email": user.email, "language": "", "theme": "system",
        "is_active": "on", "display_name": user.display_name,
    }  # fmt: skip
    return {**fields, **changes}


def test_operator__person__changes_data_and_no_rights(browser_of, olga, alice):
    permission = Permission.objects.first()
    forged = person_form(
        alice, display_name="Alice L", is_superuser="on", is_staff="on",
        groups=[str(group.pk) for group in Group.objects.all()],
        user_permissions=[str(permission.pk)],
    )  # fmt: skip
    before = set(alice.groups.all())
    response = browser_of(olga).post(url(User, "change", alice.pk), forged)
    assert response.status_code == 302
    alice.refresh_from_db()
    assert alice.display_name == "Alice L"
    assert not alice.is_superuser
    assert not alice.is_staff
    assert set(alice.groups.all()) == before
    assert not alice.user_permissions.exists()


def test_operator__superuser_or_administrator__cannot_be_touched(
    browser_of, olga, superuser, administrator
):
    browser = browser_of(olga)
    for target in (superuser, administrator):
        hashed = target.password
        assert (
            browser.post(
                url(User, "change", target.pk), person_form(target, email="x@y.example")
            ).status_code
            == 403
        )
        password = {
            "password1": "another battery staple 7",
            "password2": "another battery staple 7",
        }
        address = reverse("admin:auth_user_password_change", args=[target.pk])
        assert browser.post(address, password).status_code == 403
        browser.post(
            url(User, "changelist"), {"action": "shut_out", "_selected_action": [str(target.pk)]}
        )
        target.refresh_from_db()
        assert (target.password, target.is_active) == (hashed, True)
        assert target.email != "x@y.example"


def test_operator__password_of_a_stronger_role__cannot_be_set(browser_of, olga):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    address = reverse("admin:auth_user_password_change", args=[editor.pk])
    assert browser_of(olga).post(address, {"password1": "another battery 77"}).status_code == 403


def test_operator__people_and_groups__cannot_be_made(browser_of, olga):
    browser = browser_of(olga)
    assert browser.post(url(User, "add"), {"username": "mallory"}).status_code == 403
    assert browser.post(url(Group, "add"), {"name": "mallory"}).status_code == 403
    group = Group.objects.get(name=Role.OPERATOR)
    assert browser.post(url(Group, "change", group.pk), {"name": "x"}).status_code == 403
    links = {"action": "make_invitations", "_selected_action": [str(olga.pk)]}
    assert browser.post(url(User, "changelist"), links).status_code == 403


def test_operator__oneself__cannot_be_shut_out(browser_of, olga):
    browser = browser_of(olga)
    form = person_form(olga)
    del form["is_active"]
    assert browser.post(url(User, "change", olga.pk), form).status_code == 200
    olga.refresh_from_db()
    assert olga.is_active


def test_administrator__adds_a_person__gets_a_link_once(browser_of, administrator):
    browser = browser_of(administrator)
    role = Group.objects.get(name=Role.AUDITOR)
    body = {
        "username": "nina",
        "email": "n@example.com",
        "display_name": "Nina",
        "groups": [role.pk],
    }
    page = browser.post(url(User, "add"), body, follow=True)
    nina = User.objects.get(username="nina")
    assert nina.is_staff
    assert not nina.has_usable_password()
    assert "/accounts/invitation/" in page.content.decode()
    assert "/accounts/invitation/" not in browser.get(url(User, "change", nina.pk)).content.decode()


def test_administrator__look_alike_name__is_told_at_the_field(browser_of, administrator, alice):
    page = browser_of(administrator).post(url(User, "add"), {"username": "\uff21LICE"})
    assert page.status_code == 200
    assert "already exists" in page.content.decode()


def test_administrator__roles_of_a_person__open_and_close_the_admin(
    browser_of, administrator, alice
):
    browser = browser_of(administrator)
    auditor = Group.objects.get(name=Role.AUDITOR)
    browser.post(
        url(User, "change", alice.pk), person_form(alice, groups=[auditor.pk], is_superuser="on")
    )
    alice.refresh_from_db()
    assert alice.is_staff
    assert not alice.is_superuser
    browser.post(url(User, "change", alice.pk), person_form(alice, groups=[]))
    alice.refresh_from_db()
    assert not alice.is_staff


def test_administrator__permission_not_held__cannot_be_given(browser_of, administrator):
    private = Permission.objects.get(codename="read_conversations")
    group = Group.objects.create(name="readers")
    response = browser_of(administrator).post(
        url(Group, "change", group.pk), {"name": "readers", "permissions": [private.pk]}
    )
    assert response.status_code == 403
    assert not group.permissions.exists()


def test_role_group__its_name__stays(browser_of, superuser):
    browser = browser_of(superuser)
    group = Group.objects.get(name=Role.MEMBER)
    browser.post(url(Group, "change", group.pk), {"name": "renamed", "permissions": []})
    assert browser.post(url(Group, "delete", group.pk), {"post": "yes"}).status_code == 403
    group.refresh_from_db()
    assert group.name == Role.MEMBER


# --- Settings, endpoints, prompts ----------------------------------------------------------------
def test_setting__changed_twice__has_author_reason_and_release(browser_of, olga):
    browser = browser_of(olga)
    add = browser.post(
        url(Config, "add"), {"key": "retrieval.top_k", "value": "7", "reason": "more"}
    )
    assert add.status_code == 302, add.content.decode()
    row = Config.objects.get(key="retrieval.top_k")
    change = {"value": "8", "reason": "even more", "seen_version": "1"}
    assert browser.post(url(Config, "change", row.pk), change).status_code == 302
    row.refresh_from_db()
    assert (row.plain, row.version, row.updated_by) == (8, 2, olga)
    newest = row.history.first()
    assert (newest.history_user, newest.history_change_reason) == (olga, "even more")
    assert Release.objects.first().reason == "even more"
    assert row.history.count() == 2


@pytest.mark.parametrize("value", ["0", "51", "NaN", "six", "", "1e999", "7.5", "\x00"])
def test_setting__bad_value__is_told_at_the_field(browser_of, olga, value):
    page = browser_of(olga).post(url(Config, "add"), {"key": "retrieval.top_k", "value": value})
    assert page.status_code == 200
    assert not Config.objects.filter(key="retrieval.top_k").exists()


def test_setting__changed_by_two_people__the_second_is_told(browser_of, olga):
    services.change_setting(key="retrieval.top_k", value=7, actor=olga)
    row = services.change_setting(key="retrieval.top_k", value=8, actor=olga)
    stale = {"value": "9", "seen_version": "1"}
    page = browser_of(olga).post(url(Config, "change", row.pk), stale)
    assert page.status_code == 200
    assert "in between" in page.content.decode()
    row.refresh_from_db()
    assert row.plain == 8


def test_setting__past_version__comes_back_as_a_new_one(browser_of, olga):
    services.change_setting(key="retrieval.top_k", value=7, actor=olga)
    row = services.change_setting(key="retrieval.top_k", value=8, actor=olga)
    past = row.history.get(version=1)
    browser = browser_of(olga)
    assert browser.get(url(Config, "simple_history", row.pk, past.pk)).status_code == 200
    assert browser.post(url(Config, "simple_history", row.pk, past.pk)).status_code == 302
    row.refresh_from_db()
    assert (row.plain, row.version) == (7, 3)


def test_setting__back_to_default__keeps_the_history(browser_of, olga):
    row = services.change_setting(key="retrieval.top_k", value=7, actor=olga)
    body = {"value": "7", "back_to_default": "on", "seen_version": "1"}
    assert browser_of(olga).post(url(Config, "change", row.pk), body).status_code == 302
    row.refresh_from_db()
    assert row.plain is None
    assert browser_of(olga).post(url(Config, "delete", row.pk), {"post": "yes"}).status_code == 403


def endpoint_form(**changes):
    fields = {
        "name": "glm", "kind": "chat", "provider": "zhipu", "model": "glm-4", "base_url": "",
        "api_key": "", "parameters": "{}", "context_tokens": "32000",
        "first_byte_timeout_seconds": "30",
        "idle_timeout_seconds": "20", "input_price": "0", "output_price": "0", "position": "5",
        "enabled": "on", "reason": "",
    }  # fmt: skip
    return {**fields, **changes}


def test_endpoint__secret__is_on_no_page(browser_of, olga, aidan, caplog):
    browser = browser_of(olga)
    pages = [browser.post(url(ModelEndpoint, "add"), endpoint_form(api_key=CANARY), follow=True)]
    row = ModelEndpoint.objects.get(name="glm")
    assert row.api_key == CANARY
    other = endpoint_form(api_key=CANARY + "-2", seen_version="1")
    pages.append(browser.post(url(ModelEndpoint, "change", row.pk), other, follow=True))
    row.refresh_from_db()
    assert row.api_key == CANARY + "-2"
    unchanged = endpoint_form(model="glm-4-plus", seen_version="2")
    pages.append(browser.post(url(ModelEndpoint, "change", row.pk), unchanged, follow=True))
    broken = endpoint_form(api_key=CANARY, parameters='{"temperature": 99}', seen_version="3")
    pages.append(browser.post(url(ModelEndpoint, "change", row.pk), broken))
    assert pages[-1].status_code == 200
    row.refresh_from_db()
    assert (row.api_key, row.model) == (CANARY + "-2", "glm-4-plus")
    past = row.history.last()
    for reader in (browser, browser_of(aidan)):
        pages += [
            reader.get(url(ModelEndpoint, "changelist")),
            reader.get(url(ModelEndpoint, "changelist"), {"q": CANARY[:12]}),
            reader.get(url(ModelEndpoint, "change", row.pk)),
            reader.get(url(ModelEndpoint, "history", row.pk)),
            reader.get(url(ModelEndpoint, "simple_history", row.pk, past.pk)),
            reader.get(url(ModelEndpoint, "delete", row.pk)),
            reader.get(url(LogEntry, "changelist")),
            reader.get(url(Release, "changelist")),
            reader.get(reverse("admin:index")),
        ]
    for page in pages:
        text = (
            page.content.decode()
            .replace(f'value="{CANARY[:12]}"', "")
            .replace(f"q={CANARY[:12]}", "")
        )
        assert CANARY not in text, page.request["PATH_INFO"]
        assert "enc:v1:" not in text, page.request["PATH_INFO"]
    assert "••••wxyz" in browser.get(url(ModelEndpoint, "history", row.pk)).content.decode()
    assert "••••yz-2" in browser.get(url(ModelEndpoint, "changelist")).content.decode()
    logged = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert CANARY not in logged + caplog.text


def test_endpoint__key_forgotten__is_gone(browser_of, olga):
    row = services.create_endpoint(
        actor=olga, values={"name": "glm", "kind": "chat", "provider": "zhipu", "api_key": CANARY}
    )
    body = endpoint_form(forget_key="on", seen_version="1")
    assert browser_of(olga).post(url(ModelEndpoint, "change", row.pk), body).status_code == 302
    row.refresh_from_db()
    assert row.api_key == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": '{"temperature": -1}'},
        {"parameters": '{"temperature": NaN}'},
        {"parameters": '{"max_tokens": 1000000000000}'},
        {"parameters": "{broken"},
        {"parameters": "[]"},
        {"base_url": "javascript:alert(1)"},
        {"base_url": "http://user:pw@host/"},
        {"name": "two words"},
        {"context_tokens": "-5"},
        {"first_byte_timeout_seconds": "100000"},
    ],
)
def test_endpoint__bad_value__is_a_form_error(browser_of, olga, changes):
    page = browser_of(olga).post(url(ModelEndpoint, "add"), endpoint_form(**changes))
    assert page.status_code == 200
    assert not ModelEndpoint.objects.filter(name="glm").exists()


def test_endpoint__in_use__is_not_deleted(browser_of, olga):
    row = ModelEndpoint.objects.get(name="local-e5")
    response = browser_of(olga).post(url(ModelEndpoint, "delete", row.pk), {"post": "yes"})
    assert response.status_code == 302
    assert ModelEndpoint.objects.filter(pk=row.pk).exists()


def test_prompt__bad_or_good__is_told_or_published(browser_of, olga):
    prompt = PromptTemplate.objects.get(name="answer")
    browser = browser_of(olga)
    address = url(PromptTemplate, "change", prompt.pk)
    version = str(prompt.version)
    for text in ("{unclosed {passages}", "{passages} {secret}", "", "no placeholder"):
        assert browser.post(address, {"text": text, "seen_version": version}).status_code == 200
    good = {"text": "Answer from {passages}.", "seen_version": version, "reason": "short"}
    assert browser.post(address, good).status_code == 302
    prompt.refresh_from_db()
    assert prompt.text == "Answer from {passages}."
    assert browser.get(url(PromptTemplate, "history", prompt.pk)).status_code == 200


# --- Private words --------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["aidan", "olga", "administrator"])
def test_private_words__without_the_right__are_nowhere(request, browser_of, rows, who):
    browser = browser_of(request.getfixturevalue(who))
    for model, row in rows.items():
        for page in ("changelist", "change", "history"):
            args = () if page == "changelist" else (row.pk,)
            assert WORDS not in browser.get(url(model, page, *args)).content.decode(), (model, page)
    complete = {
        "app_label": "conversations",
        "model_name": "message",
        "field_name": "conversation",
        "term": "",
    }
    response = browser.get(reverse("admin:autocomplete"), complete)
    assert response.status_code in {403, 404}
    found = browser.get(url(Conversation, "changelist"), {"q": WORDS}).content.decode()
    assert str(rows[Conversation].pk) not in found


def test_private_words__with_the_right__can_be_read_and_not_changed(browser_of, aidan, rows):
    aidan.user_permissions.add(Permission.objects.get(codename="read_conversations"))
    browser = browser_of(aidan)
    conversation = rows[Conversation]
    assert WORDS in browser.get(url(Conversation, "change", conversation.pk)).content.decode()
    assert (
        browser.post(url(Conversation, "change", conversation.pk), {"title": "x"}).status_code
        == 403
    )


# --- Knowledge ------------------------------------------------------------------------------------
def test_editor__base_of_everyone__is_changed_through_the_service(browser_of, rows, bob):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    base = rows[KnowledgeBase]
    body = {
        "name": "Handbook",
        "description": "",
        "visibility": "shared",
        "shared_users": [str(bob.pk), str(editor.pk)],
    }
    response = browser_of(editor).post(url(KnowledgeBase, "change", base.pk), body)
    assert response.status_code == 302, response.context["adminform"].form.errors
    base.refresh_from_db()
    assert (base.name, base.visibility) == ("Handbook", "shared")
    assert set(base.shared_users.all()) == {bob, editor}


def test_editor__private_base_of_another__is_read_only(browser_of, alice):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    base = factories.KnowledgeBaseFactory(owner=alice)
    body = {"name": "Mine now", "visibility": "everyone"}
    assert browser_of(editor).post(url(KnowledgeBase, "change", base.pk), body).status_code == 403
    assert (
        browser_of(editor).post(url(KnowledgeBase, "delete", base.pk), {"post": "yes"}).status_code
        == 403
    )


def test_auditor__text_of_a_private_base__is_not_shown(browser_of, aidan, rows):
    KnowledgeBase.objects.update(visibility="private")
    assert browser_of(aidan).get(url(Chunk, "change", rows[Chunk].pk)).status_code == 302


# --- Cost -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_list__more_rows__asks_no_more_queries(browser_of, superuser, rows, model):
    browser = browser_of(superuser)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get(url(model, "changelist"))
        return [query["sql"] for query in captured]

    queries()
    few = len(queries())
    for _ in range(3):
        reply = factories.ReplyFactory()
        version = factories.DocumentVersionFactory()
        factories.CitationFactory(message=reply, version=version)
        factories.FeedbackFactory(message=reply)
        generation = factories.IndexGenerationFactory(base=version.document.base)
        Chunk.objects.create(
            base=version.document.base, generation=generation, document=version.document,
            version=version, ordinal=0, text="Hi", start=0, end=2, dimensions=3,
        )  # fmt: skip
        factories.ConfigFactory()
        factories.ModelEndpointFactory()
        factories.PromptTemplateFactory()
        LogEntry.objects.log_actions(
            reply.conversation.owner_id, [reply], 2, "x", single_object=True
        )
    assert len(queries()) <= few
    assert not [
        sql
        for sql in queries()
        if "COUNT(*)" in sql and "LIMIT" not in sql and "conversations_" in sql
    ]


def test_document__reindexed_by_its_editor__is_queued(browser_of, rows):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    document = rows[Document]
    Document.objects.filter(pk=document.pk).update(status="failed")
    body = {"action": "reindex", "_selected_action": [str(document.pk)]}
    assert browser_of(editor).post(url(Document, "changelist"), body).status_code == 302
