"""The steering screens: from a form to a draft, a difference, a review, a release and back."""

import re

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from configs import changesets, registry, runtime, services
from configs.models import (
    Approval,
    Change,
    ChangeSet,
    Config,
    ConfigOverride,
    ModelEndpoint,
    PromptTemplate,
    Release,
)
from tests.cast import person

KEY = registry.RETRIEVAL_TOP_K.key
SETTING = reverse("admin:configs_config_setting", args=[KEY])
REFERER = {"Referer": "http://testserver" + SETTING}
State = ChangeSet.State


def setting_page(key):
    return reverse("admin:configs_config_setting", args=[key])


def page_of(change_set):
    return reverse("admin:configs_changeset_change", args=[change_set.pk])


def verb(name, change_set):
    return reverse(f"admin:configs_changeset_{name}", args=[change_set.pk])


def read(browser, address):
    answer = browser.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def publish(browser, change_set, reason="because", **more):
    data = {"title": change_set.title or "t", "reason": reason, "when": "now", **more}
    return browser.post(page_of(change_set), data)


def drafted(browser, value="9", button="_review"):
    assert browser.post(SETTING, {"what": "value", "value": value, button: ""}).status_code == 302
    return ChangeSet.objects.get(state=State.DRAFT)


@pytest.fixture
def oscar(db):
    from accounts.models import Role

    return person("oscar", Role.OPERATOR)


# --- Settings ----------------------------------------------------------------------------
def test_review__value_typed__shows_the_difference_and_publishes_nothing(browser_of, olga):
    browser = browser_of(olga)
    before = Release.objects.count()
    change_set = drafted(browser)
    page = read(browser, page_of(change_set))
    assert "<mark>6</mark>" in page
    assert "<mark>9</mark>" in page
    assert Release.objects.count() == before
    assert not Config.objects.filter(key=KEY).exists()


def test_publish__reviewed_change__is_in_force_with_author_and_reason(browser_of, olga):
    browser = browser_of(olga)
    change_set = drafted(browser)
    assert publish(browser, change_set, "more to read").status_code == 302
    row = Config.objects.get(key=KEY)
    assert (row.plain, row.updated_by) == (9, olga)
    assert row.history.first().history_change_reason == "more to read"
    page = read(browser, SETTING)
    assert "more to read" in page
    assert "<mark>9</mark>" in page


def test_draft__two_changes_gathered__stand_in_one_change_set_and_in_the_bar(browser_of, olga):
    browser = browser_of(olga)
    drafted(browser, "9", "_draft")
    other = setting_page(registry.RETRIEVAL_CANDIDATES.key)
    assert browser.post(other, {"what": "value", "value": "60", "_draft": ""}).status_code == 302
    change_set = ChangeSet.objects.get()
    assert change_set.changes.count() == 2
    assert "2 changes, not published yet" in read(
        browser, reverse("admin:configs_config_changelist")
    )


@pytest.mark.parametrize("value", ["0", "51", "many", "", "NaN", "1e400"])
def test_value__out_of_range__is_explained_and_drafts_nothing(browser_of, olga, value):
    answer = browser_of(olga).post(SETTING, {"what": "value", "value": value, "_review": ""})
    assert answer.status_code == 200
    assert 'class="st-complaint"' in answer.content.decode()
    assert not ChangeSet.objects.exists()
    assert runtime.build().get(registry.RETRIEVAL_TOP_K) == 6


def test_problems__settings_that_do_not_fit_together__are_told_with_a_way_to_mend(browser_of, olga):
    browser = browser_of(olga)
    key = registry.CHUNKING_OVERLAP.key
    browser.post(setting_page(key), {"what": "value", "value": "300", "_review": ""})
    change_set = ChangeSet.objects.get()
    page = read(browser, page_of(change_set))
    assert str(registry.RULES[0].complaint) in page
    assert "Mend" in page
    publish(browser, change_set)
    assert not Config.objects.filter(key=key).exists()


def test_setting__back_to_the_default__is_drafted(browser_of, olga):
    services.change_setting(key=KEY, value=9, actor=olga)
    browser = browser_of(olga)
    browser.post(SETTING, {"what": "reset"})
    change_set = ChangeSet.objects.get(state=State.DRAFT)
    publish(browser, change_set)
    assert runtime.build().get(registry.RETRIEVAL_TOP_K) == 6


def test_exception__for_a_role__is_drafted_published_shown_and_removed(browser_of, olga):
    browser = browser_of(olga)
    key = registry.UPLOADS_MAX_MB.key
    group = Group.objects.get(name="operator")
    data = {"what": "exception", "exception-group": group.pk, "exception-value": "200"}
    assert browser.post(setting_page(key), data).status_code == 302
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    assert runtime.build().get(registry.UPLOADS_MAX_MB, [group.pk]) == 200
    assert "200" in read(browser, setting_page(key))
    browser.post(setting_page(key), {"what": "drop_exception", "group": group.pk})
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    assert not ConfigOverride.objects.exists()


def test_free_key__added__is_typed_and_published(browser_of, olga):
    browser = browser_of(olga)
    form = {"key": "team.contact", "value_type": "text", "value": "desk 4", "is_public": "on"}
    assert browser.post(reverse("admin:configs_config_add"), form).status_code == 302
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    assert runtime.build().free("team.contact") == "desk 4"
    assert "desk 4" in read(browser, setting_page("team.contact"))


@pytest.mark.parametrize("key", ["retrieval.mine", "Über", "", "a b"])
def test_free_key__that_cannot_be_made__is_refused(browser_of, olga, key):
    form = {"key": key, "value_type": "text", "value": "x"}
    answer = browser_of(olga).post(reverse("admin:configs_config_add"), form)
    assert answer.status_code == 200
    assert not ChangeSet.objects.exists()


# --- History and the way back -----------------------------------------------------------
def test_history__row_of_the_past__leads_back_through_a_draft(browser_of, olga):
    services.change_setting(key=KEY, value=8, actor=olga)
    services.change_setting(key=KEY, value=9, actor=olga)
    browser = browser_of(olga)
    past = Config.history.get(key=KEY, version=1)
    data = {"kind": "setting", "history": past.history_id}
    browser.post(reverse("admin:configs_config_return"), data)
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    row = Config.objects.get(key=KEY)
    assert (row.plain, row.version) == (8, 3)


def test_history__filtered__shows_what_fits(browser_of, olga, oscar):
    services.change_setting(key=KEY, value=8, actor=olga, reason="by olga")
    services.change_setting(key=registry.HISTORY_TOKENS.key, value=5, actor=oscar, reason="by o")
    browser, address = browser_of(olga), reverse("admin:configs_config_changes")
    assert "by olga" in read(browser, f"{address}?person=olga")
    assert "by olga" not in read(browser, f"{address}?person=oscar")
    assert "by olga" in read(browser, f"{address}?key=top_k")
    assert "by olga" not in read(browser, f"{address}?until=2000-01-01")
    for odd in ("since=nonsense", "release=x", "before=99", "since=2026-99-99"):
        read(browser, f"{address}?{odd}")


def test_release__rolled_back__is_a_new_release_with_the_old_values(browser_of, olga):
    services.change_setting(key=KEY, value=8, actor=olga)
    there = Release.objects.first().version
    services.change_setting(key=KEY, value=9, actor=olga)
    browser = browser_of(olga)
    back = reverse("admin:configs_release_back", args=[there])
    assert "<mark>9</mark>" in read(browser, back)
    assert browser.post(back, {"reason": "too much"}).status_code == 302
    assert Config.objects.get(key=KEY).plain == 8
    assert Release.objects.first().version == there + 2
    compare = reverse("admin:configs_release_compare")
    assert "No difference." in read(browser, f"{compare}?older={there}&newer={there + 2}")
    assert "<mark>8</mark>" in read(browser, f"{compare}?older={there}&newer={there + 1}")


# --- Four eyes ----------------------------------------------------------------------------
@pytest.fixture
def four_eyes(olga):
    services.change_setting(key=registry.FOUR_EYES.key, value="retrieval.*", actor=olga)


def test_four_eyes__own_change__waits_and_offers_no_approval(browser_of, olga, four_eyes):
    browser = browser_of(olga)
    change_set = drafted(browser)
    assert "Send for review" in read(browser, page_of(change_set))
    publish(browser, change_set)
    change_set.refresh_from_db()
    assert change_set.state == State.IN_REVIEW
    page = read(browser, page_of(change_set))
    assert verb("approve", change_set) not in page
    browser.post(verb("approve", change_set), {"seen": change_set.content_hash})
    change_set.refresh_from_db()
    assert change_set.state == State.IN_REVIEW


def test_four_eyes__second_person__sees_the_difference_and_approves(
    browser_of, olga, oscar, four_eyes
):
    change_set = drafted(browser_of(olga))
    publish(browser_of(olga), change_set, "more to read")
    change_set.refresh_from_db()
    browser = browser_of(oscar)
    page = read(browser, page_of(change_set))
    assert verb("approve", change_set) in page
    assert "<mark>9</mark>" in page
    assert "more to read" in page
    browser.post(
        verb("approve", change_set), {"seen": change_set.content_hash, "comment": "looks right"}
    )
    assert runtime.build().get(registry.RETRIEVAL_TOP_K) == 9
    assert "looks right" in read(browser, page_of(change_set))


def test_four_eyes__content_edited_after_it_was_seen__is_not_approved(
    browser_of, olga, oscar, four_eyes
):
    change_set = drafted(browser_of(olga))
    publish(browser_of(olga), change_set)
    change_set.refresh_from_db()
    seen = change_set.content_hash
    browser_of(olga).post(verb("withdraw", change_set))
    changesets.draft(
        change_set=change_set, kind=Change.Kind.SETTING, target=KEY, value=11, actor=olga
    )
    publish(browser_of(olga), change_set)
    browser_of(oscar).post(verb("approve", change_set), {"seen": seen})
    change_set.refresh_from_db()
    assert change_set.state == State.IN_REVIEW
    assert not Approval.objects.exists()


def test_four_eyes__rejected__says_why(browser_of, olga, oscar, four_eyes):
    change_set = drafted(browser_of(olga))
    publish(browser_of(olga), change_set)
    change_set.refresh_from_db()
    data = {"seen": change_set.content_hash, "comment": "far too many"}
    browser_of(oscar).post(verb("reject", change_set), data)
    change_set.refresh_from_db()
    assert change_set.state == State.REJECTED
    assert "far too many" in read(browser_of(olga), page_of(change_set))


def test_schedule__time_in_the_past__is_refused(browser_of, olga):
    browser = browser_of(olga)
    change_set = drafted(browser)
    answer = publish(browser, change_set, when="later", publish_at="2020-01-01T10:00")
    assert answer.status_code == 200
    assert "This time is past" in answer.content.decode()
    answer = publish(browser, change_set, when="later", publish_at="2999-01-01T10:00")
    change_set.refresh_from_db()
    assert change_set.state == State.SCHEDULED
    browser.post(verb("withdraw", change_set))
    browser.post(verb("discard", change_set))
    change_set.refresh_from_db()
    assert change_set.state == State.DISCARDED
    assert not Config.objects.filter(key=KEY).exists()


# --- Endpoints ------------------------------------------------------------------------------
def endpoint_form(row, **changes):
    shown = {
        "name": row.name, "kind": row.kind, "provider": row.provider, "model": row.model,
        "base_url": row.base_url, "parameters": "{}", "context_tokens": row.context_tokens,
        "first_byte_timeout_seconds": 30, "idle_timeout_seconds": 20, "input_price": "0",
        "output_price": "0", "position": row.position, "enabled": "on", "api_key": "",
    }  # fmt: skip
    return {**shown, **changes}


@pytest.fixture
def gpu(db):
    return ModelEndpoint.objects.create(
        name="gpu", kind="chat", provider="openai_compatible", model="glm", position=5000,
        base_url="http://127.0.0.1:9/v1", api_key="sk-uniquecanary0123456789",
    )  # fmt: skip


def endpoint_page(row):
    return reverse("admin:configs_modelendpoint_change", args=[row.pk])


def test_endpoint__model_changed__is_drafted_and_published(browser_of, olga, gpu):
    browser = browser_of(olga)
    answer = browser.post(endpoint_page(gpu), endpoint_form(gpu, model="glm-5"))
    assert answer.status_code == 302
    change_set = ChangeSet.objects.get()
    assert "<mark>-5</mark>" in read(browser, page_of(change_set))
    publish(browser, change_set)
    gpu.refresh_from_db()
    assert (gpu.model, gpu.version) == ("glm-5", 2)
    assert gpu.api_key == "sk-uniquecanary0123456789"


@pytest.mark.parametrize(
    "bad",
    [
        {"parameters": '{"temperature": -1}'},
        {"parameters": '{"temperature": NaN}'},
        {"parameters": '{"max_tokens": 1000000000000}'},
        {"parameters": "{broken"},
        {"model": "glm\r\nX-Evil: 1"},
        {"base_url": "javascript:alert(1)"},
    ],
)
def test_endpoint__bad_value__is_a_form_error_and_drafts_nothing(browser_of, olga, gpu, bad):
    answer = browser_of(olga).post(endpoint_page(gpu), endpoint_form(gpu, **bad))
    assert answer.status_code == 200
    assert not Change.objects.exists()
    gpu.refresh_from_db()
    assert gpu.version == 1


def test_endpoint__address_changed_without_its_key__is_refused(browser_of, olga, gpu):
    form = endpoint_form(gpu, base_url="http://evil.example/v1")
    answer = browser_of(olga).post(endpoint_page(gpu), form)
    assert "type the key that belongs to it" in answer.content.decode()
    assert not Change.objects.exists()


def test_endpoint__new_key__asks_for_the_password_first_and_never_shows_it(browser_of, olga, gpu):
    browser = browser_of(olga)
    form = endpoint_form(gpu, api_key="sk-anothercanary987654321")
    answer = browser.post(endpoint_page(gpu), form)
    assert not Change.objects.exists()
    assert "sk-anothercanary" not in answer.content.decode()
    session = browser.session
    import time

    session["confirmed_at"] = int(time.time())
    session.save()
    assert browser.post(endpoint_page(gpu), form).status_code == 302
    change_set = ChangeSet.objects.get()
    pages = [read(browser, page_of(change_set))]
    publish(browser, change_set)
    gpu.refresh_from_db()
    assert gpu.api_key == "sk-anothercanary987654321"
    addresses = [
        page_of(change_set),
        endpoint_page(gpu),
        reverse("admin:configs_modelendpoint_changelist"),
        reverse("admin:configs_config_changes"),
        reverse("admin:configs_release_change", args=[Release.objects.first().pk]),
    ]
    pages += [read(browser, address) for address in addresses]
    for page in pages:
        assert "canary" not in page
    assert "••••4321" in pages[1]


def test_endpoint__switched_off_reordered_and_removed__each_through_a_draft(browser_of, olga, gpu):
    browser = browser_of(olga)
    other = ModelEndpoint.objects.create(name="two", kind="chat", provider="fake", position=6)
    browser.post(reverse("admin:configs_modelendpoint_switch", args=[gpu.pk]))
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    gpu.refresh_from_db()
    assert not gpu.enabled
    rows = list(ModelEndpoint.objects.filter(kind="chat"))
    wanted = rows[::-1]
    order = {"kind": "chat", "order": [str(row.pk) for row in wanted]}
    browser.post(reverse("admin:configs_modelendpoint_order"), order)
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    assert list(ModelEndpoint.objects.filter(kind="chat")) == wanted
    browser.post(reverse("admin:configs_modelendpoint_remove", args=[other.pk]))
    publish(browser, ChangeSet.objects.get(state=State.DRAFT))
    assert not ModelEndpoint.objects.filter(name="two").exists()


def test_test_connection__answers__in_words_and_stores_nothing(browser_of, olga, gpu):
    browser = browser_of(olga)
    address = reverse("admin:configs_modelendpoint_test", args=[gpu.pk])
    answer = browser.post(address, endpoint_form(gpu, idle_timeout_seconds=1)).json()
    assert not answer["ok"]
    assert "Check the address" in answer["text"]
    form = endpoint_form(gpu, provider="fake", base_url="", api_key="x", model="pretend")
    answer = browser.post(address, form).json()
    assert answer["ok"], answer
    assert "pretend answers: first word after" in answer["text"]
    gpu.refresh_from_db()
    assert gpu.version == 1
    assert browser.post(address, endpoint_form(gpu, parameters="{")).json()["ok"] is False


# --- Prompts ----------------------------------------------------------------------------
def prompt_page(name="answer"):
    row = PromptTemplate.objects.get(name=name)
    return reverse("admin:configs_prompttemplate_change", args=[row.pk])


def test_prompt__changed__shows_lines_side_by_side(browser_of, olga):
    browser = browser_of(olga)
    row = PromptTemplate.objects.get(name="answer")
    text = row.text.replace("Be accurate first", "Be kind first")
    assert browser.post(prompt_page(), {"text": text}).status_code == 302
    page = read(browser, page_of(ChangeSet.objects.get()))
    assert "<mark>kind</mark>" in page
    assert "lines unchanged" in page


@pytest.mark.parametrize("text", ["{unclosed", "", "{passages} {secret}", "no placeholder"])
def test_prompt__that_cannot_be_filled__is_a_form_error(browser_of, olga, text):
    answer = browser_of(olga).post(prompt_page(), {"text": text})
    assert answer.status_code == 200
    assert not Change.objects.exists()


def test_try_prompt__draft_words__are_sent_and_not_stored(browser_of, olga):
    ModelEndpoint.objects.filter(kind="chat").delete()
    ModelEndpoint.objects.create(
        name="pretend", kind="chat", provider="fake", model="pretend-1",
        parameters={"deltas": ["A tried ", "reply."]},
    )  # fmt: skip
    runtime.forget()
    row = PromptTemplate.objects.get(name="answer")
    address = reverse("prompt_trial", args=[row.pk])
    browser = browser_of(olga)
    data = {"text": "Speak like a pirate. {passages}", "question": "Where is the ship?"}
    page = browser.post(address, data).content.decode()
    assert "A tried reply." in page
    assert "Speak like a pirate." in page
    assert "pretend-1" in page
    row.refresh_from_db()
    assert row.version == 1
    bad = browser.post(address, {**data, "text": "{what}"}).content.decode()
    assert "is not known here" in bad


# --- Who may what -----------------------------------------------------------------------
SCREENS = [
    "config_changelist", "config_changes", "changeset_changelist", "release_changelist",
    "release_compare", "runningprocess_changelist", "modelendpoint_changelist",
    "prompttemplate_changelist",
]  # fmt: skip


def everything(olga, gpu):
    """Return every page and every deed of the screens, with something behind each."""
    services.change_setting(key=KEY, value=8, actor=olga)
    change_set = changesets.open_draft(title="of olga", actor=olga)
    changesets.draft(
        change_set=change_set, kind=Change.Kind.SETTING, target=KEY, value=9, actor=olga
    )
    pages = [reverse(f"admin:configs_{name}") for name in SCREENS]
    pages += [SETTING, page_of(change_set), endpoint_page(gpu), prompt_page()]
    pages += [reverse("admin:configs_release_change", args=[Release.objects.first().pk])]
    names = ["describe", "drop", "discard", "withdraw", "approve", "reject"]
    deeds = [verb(name, change_set) for name in names]
    deeds += [reverse("admin:configs_changeset_open"), reverse("admin:configs_config_return")]
    deeds += [
        reverse(f"admin:configs_modelendpoint_{name}", args=[gpu.pk])
        for name in ("test", "switch", "remove")
    ]
    deeds += [reverse(f"admin:configs_modelendpoint_{name}") for name in ("test_new", "order")]
    deeds += [reverse("prompt_trial", args=[PromptTemplate.objects.get(name="answer").pk])]
    return pages, deeds


def state_of_the_world():
    return [
        list(model.objects.order_by("pk").values())
        for model in (Config, ConfigOverride, ModelEndpoint, PromptTemplate, Release, Change)
    ] + [list(ChangeSet.objects.order_by("pk").values("pk", "state", "title"))]


def test_auditor__every_screen__is_read_without_a_button_and_every_post_refused(
    browser_of, olga, aidan, gpu
):
    pages, deeds = everything(olga, gpu)
    browser, before = browser_of(aidan), state_of_the_world()
    past = Config.history.first().history_id
    for address in pages:
        main = re.split(r'id="content"', read(browser, address), maxsplit=1)[-1]
        forms = re.findall(r'<form[^>]*method="post".*?</form>', main, re.DOTALL)
        assert not any('type="submit"' in form for form in forms), address
        assert 'name="_review"' not in main, address
        assert "formaction" not in main, address
        assert "data-test-connection" not in main, address
    forged = {"value": "3", "what": "value", "kind": "setting", "history": past, "text": "x",
              "title": "x", "reason": "x", "_save": "1"}  # fmt: skip
    for address in [*pages, *deeds, reverse("admin:configs_config_add")]:
        assert browser.post(address, forged).status_code == 403, address
    assert state_of_the_world() == before


def test_deed__by_get__changes_nothing(browser_of, olga, gpu):
    _, deeds = everything(olga, gpu)
    browser, before = browser_of(olga), state_of_the_world()
    for address in deeds:
        assert browser.get(address).status_code == 405, address
    assert state_of_the_world() == before


def test_deed__without_the_token__is_refused(browser_of, olga, gpu):
    pages, deeds = everything(olga, gpu)
    browser, before = browser_of(olga, enforce_csrf_checks=True), state_of_the_world()
    for address in [*pages, *deeds]:
        assert browser.post(address, {"value": "3"}).status_code == 403, address
    assert state_of_the_world() == before


@pytest.mark.parametrize("who", ["alice", None])
def test_screen__member_or_visitor__is_sent_away(browser_of, olga, gpu, who, request):
    pages, deeds = everything(olga, gpu)
    browser = browser_of(request.getfixturevalue(who) if who else None)
    for address in pages:
        assert browser.get(address).status_code == 302, address
    for address in deeds:
        assert browser.post(address).status_code in (302, 403), address


def test_screens__hostile_words__stay_words(browser_of, olga, gpu):
    evil = '<script>window.hacked=1</script>"><img src=x onerror=hack()>'
    services.change_setting(
        key=registry.BRANDING_WELCOME.key, value=evil, actor=olga, reason=evil[:200]
    )
    change_set = changesets.open_draft(title=evil, actor=olga)
    changesets.draft(
        change_set=change_set, kind=Change.Kind.SETTING, target=registry.BRANDING_NOTICE.key,
        value=evil, actor=olga,
    )  # fmt: skip
    pages, _ = everything(olga, gpu)
    browser = browser_of(olga)
    for address in [*pages, page_of(change_set), setting_page(registry.BRANDING_WELCOME.key)]:
        page = read(browser, address)
        assert "<script>window.hacked" not in page, address
        assert "<img src=x" not in page, address


def test_overview__costs__a_fixed_number_of_queries(
    browser_of, olga, django_assert_max_num_queries
):
    for setting in list(registry.SETTINGS.values())[:10]:
        if not setting.sensitive:
            services.change_setting(key=setting.key, value=setting.default, actor=olga)
    browser = browser_of(olga)
    browser.get(reverse("admin:configs_config_changelist"))
    with django_assert_max_num_queries(25):
        read(browser, reverse("admin:configs_config_changelist"))
