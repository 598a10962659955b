"""Settings act where they say: each switch and limit is set, and what it steers changes."""

import json

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.test import Client

from accounts import limits
from configs import runtime
from configs.errors import Forbidden, Invalid, RateLimited, TooLarge, UnsupportedType
from configs.models import Config, ConfigOverride
from conversations import services
from conversations.answering import jobs
from conversations.models import Message
from conversations.streams import log
from knowledge import services as knowledge
from tests.factories import KnowledgeBaseFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten_roles():
    limits.forget_roles()


def steer(key: str, value: object) -> None:
    Config.objects.update_or_create(key=key, defaults={"value": json.dumps(value)})
    runtime.refresh()


def allow(user, key: str, value: object) -> None:
    """Give a person a role with an exception."""
    group = Group.objects.create(name=f"{key} {value}")
    user.groups.add(group)
    ConfigOverride.objects.create(key=key, group=group, value=json.dumps(value))
    runtime.refresh()
    limits.forget_roles()


def ask(user, content: str = "Why?") -> Message:
    thread = services.create_conversation(user=user)
    return services.ask(user=user, conversation=thread.pk, content=content)[1]


def test_question_characters__too_many__are_refused(alice, bob, broker):
    steer("answers.question_characters", 100)
    allow(bob, "answers.question_characters", 200)
    with pytest.raises(Invalid, match="100"):
        ask(alice, "x" * 101)
    assert ask(alice, "x" * 100)
    assert ask(bob, "x" * 200)
    with pytest.raises(Invalid):
        ask(bob, "x" * 201)


def test_ask__role_with_exceptions__takes_no_more_queries(
    alice, broker, django_assert_max_num_queries
):
    allow(alice, "answers.question_characters", 200)
    allow(alice, "answers.per_user", 9)
    thread = services.create_conversation(user=alice)
    services.ask(user=alice, conversation=thread.pk, content="First")
    with django_assert_max_num_queries(6):
        services.ask(user=alice, conversation=thread.pk, content="Why?")


def test_per_user__exception_of_a_role__lets_more_be_written_at_once(alice, bob, broker):
    steer("answers.per_user", 1)
    allow(bob, "answers.per_user", 2)
    for person, most in ((alice, 1), (bob, 2)):
        claimed = [jobs.claim(ask(person).pk) for _ in range(3)]
        assert sum(job is not None for job in claimed) == most


def test_feedback__switched_off__is_refused_and_comes_back_for_a_role(alice, broker):
    reply = ask(alice)
    steer("features.feedback", False)
    with pytest.raises(Forbidden):
        services.give_feedback(user=alice, message=reply.pk, rating=1)
    allow(alice, "features.feedback", True)
    assert services.give_feedback(user=alice, message=reply.pk, rating=1).rating == 1


def test_sharing__switched_off__nobody_is_added_and_lists_can_be_emptied(alice, bob):
    steer("features.sharing", False)
    base = KnowledgeBaseFactory(owner=alice)
    with pytest.raises(Forbidden):
        knowledge.change_base(actor=alice, base_id=base.pk, visibility="shared")
    with pytest.raises(Forbidden):
        knowledge.change_base(actor=alice, base_id=base.pk, shared_users=[bob.pk])
    knowledge.change_base(actor=alice, base_id=base.pk, shared_users=[])
    allow(alice, "features.sharing", True)
    changed = knowledge.change_base(
        actor=alice, base_id=base.pk, visibility="shared", shared_users=[bob.pk]
    )
    assert changed.visibility == "shared"


def test_uploads__kind_that_is_not_taken__is_refused(alice):
    base = KnowledgeBaseFactory(owner=alice)
    steer("uploads.kinds", ["markdown"])
    assert knowledge.accepted() == [".markdown", ".md"]
    with pytest.raises(UnsupportedType, match=r"\.md"):
        knowledge.upload(actor=alice, base_id=base.pk, file=ContentFile(b"words", "a.txt"))


def test_uploads__size__is_the_roles(alice, bob):
    steer("uploads.max_mb", 1)
    allow(bob, "uploads.max_mb", 3)
    assert knowledge.max_bytes(alice) == 1 << 20
    assert knowledge.max_bytes(bob) == 3 << 20
    assert knowledge.max_bytes() == 3 << 20
    base = KnowledgeBaseFactory(owner=alice)
    with pytest.raises(TooLarge):
        knowledge.upload(
            actor=alice, base_id=base.pk, file=ContentFile(b"x" * ((1 << 20) + 1), "a.txt")
        )


def test_sign_in__attempts__are_as_many_as_the_setting_says(rf, wiped_redis):
    steer("sign_in.per_account", 4)
    request = rf.post("/", REMOTE_ADDR="203.0.113.5")
    for _ in range(4):
        limits.count_login(request, "somebody")
    with pytest.raises(RateLimited):
        limits.count_login(request, "somebody")


def test_sign_in_page__hints__are_shown_as_text(client: Client):
    steer("branding.name", "Anna <b>")
    steer("branding.sign_in", "Use your <i>company</i> name.")
    steer("branding.support", "help@example.com")
    page = client.get("/accounts/login/").content.decode()
    assert "Anna &lt;b&gt;" in page
    assert "&lt;i&gt;company&lt;/i&gt;" in page
    assert 'href="mailto:help@example.com"' in page


def test_examples__set_by_an_operator__are_offered(client: Client, alice):
    steer("branding.examples", ["What is new?"])
    client.force_login(alice)
    page = client.get("/").content.decode()
    assert "What is new?" in page


def test_log__kept__for_as_long_as_the_setting_says(alice, broker, wiped_redis):
    steer("answers.log_seconds", 90)
    reply = ask(alice)
    log.seal(reply.pk, 1)
    assert 60 < wiped_redis.ttl(log.key(reply.pk, 1)) <= 90


def test_settings__each__is_read_somewhere():
    """A setting that nothing reads is a defect."""
    import subprocess
    from pathlib import Path

    from configs import registry

    root = Path(registry.__file__).parents[2]
    names = [name for name in vars(registry) if isinstance(vars(registry)[name], registry.Setting)]
    places = ["accounts", "clawai", "configs", "conversations", "knowledge"]
    grep = ["grep", "-rhoE", r"\b[A-Z][A-Z_]+\b", "--include=*.py", "--exclude-dir=registry"]
    read = set(
        subprocess.run(
            [*grep, *places], cwd=root, capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert [name for name in names if name not in read] == []
