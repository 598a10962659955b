"""Any order of edits, drafts, approvals, ways back and restarts keeps what releases promise."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from configs import changesets, registry, runtime, services
from configs.changesets import FreeKey
from configs.errors import ClawError
from configs.models import (
    ChangeSet,
    Config,
    ConfigOverride,
    ModelEndpoint,
    PromptTemplate,
    Release,
)
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
CHANGES = st.one_of(
    st.tuples(st.just("setting"), st.just("retrieval.top_k"), st.integers(0, 60)),
    st.tuples(st.just("setting"), st.just("chunking.overlap"), st.integers(0, 300)),
    st.tuples(st.just("setting"), st.just("chunking.tokens"), st.integers(64, 400)),
    st.tuples(st.just("setting"), st.just("own.key"), st.integers(0, 9)),
    st.tuples(st.just("override"), st.just("answers.per_user"), st.integers(0, 9)),
    st.tuples(st.just("prompt"), st.just("title"), st.sampled_from(["{question}", "{", "A"])),
    st.tuples(st.just("endpoint"), st.just("zhipu-glm"), st.integers(1, 90)),
)  # fmt: skip
ACTIONS = st.sampled_from(["set", "set", "set", "reset", "delete"])
POLICIES = st.sampled_from(["", "retrieval.*", "prompts, overrides", "*"])


class Steering(RuleBasedStateMachine):
    """Two people, some drafts, and a process that reads; each refusal must change nothing."""

    drafts = Bundle("drafts")

    def __init__(self):
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        runtime.forget()
        self.people = [
            User.objects.create_superuser(name, password=PASSWORD) for name in ("one", "two")
        ]
        self.group = Group.objects.create(name="trainee")
        self.process = SimpleNamespace(seen=0)
        self.kept = []

    def teardown(self):
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        runtime.forget()

    def attempt(self, verb, **arguments):
        """Do it; a refusal leaves releases and history as they were."""
        before = self.counts()
        try:
            with transaction.atomic():
                return verb(**arguments)
        except ClawError:
            assert self.counts() == before
            return None

    def counts(self):
        models = (Config, ConfigOverride, ModelEndpoint, PromptTemplate)
        return (Release.objects.count(), *(each.history.count() for each in models))

    # --- What people do ----------------------------------------------------------------------
    @rule(target=drafts, who=st.integers(0, 1))
    def open(self, who):
        return changesets.open_draft(title="t", actor=self.people[who])

    @rule(found=drafts, who=st.integers(0, 1), change=CHANGES, action=ACTIONS)
    def edit(self, found, who, change, action):
        kind, target, value = change
        if target == "own.key":
            value = FreeKey("integer", value)
        if kind == "endpoint":
            value = {"position": value + 1000}
        self.attempt(
            changesets.draft, change_set=found, kind=kind, target=target, value=value,
            action="set" if kind == "endpoint" else action, actor=self.people[who],
            group=self.group if kind == "override" else None,
        )  # fmt: skip

    @rule(found=drafts, who=st.integers(0, 1))
    def submit(self, found, who):
        self.attempt(changesets.submit, change_set=found, actor=self.people[who], reason="r")

    @rule(found=drafts, who=st.integers(0, 1), verb=st.sampled_from(["approve", "reject"]))
    def decide(self, found, who, verb):
        found.refresh_from_db()
        authors = {found.author_id, *found.changes.values_list("author_id", flat=True)}
        done = self.attempt(
            getattr(changesets, verb), change_set=found, actor=self.people[who], comment="c"
        )
        assert done is None or self.people[who].pk not in authors

    @rule(found=drafts, who=st.integers(0, 1), verb=st.sampled_from(["withdraw", "discard"]))
    def take_back(self, found, who, verb):
        self.attempt(getattr(changesets, verb), change_set=found, actor=self.people[who])

    @rule(value=st.integers(1, 50), who=st.integers(0, 1))
    def change(self, value, who):
        self.attempt(
            services.change_setting, key="retrieval.top_k", value=value, actor=self.people[who]
        )

    @rule(policy=POLICIES, who=st.integers(0, 1))
    def govern(self, policy, who):
        self.attempt(
            services.change_setting,
            key=registry.FOUR_EYES.key, value=policy, actor=self.people[who],
        )  # fmt: skip

    @rule(version=st.integers(1, 12), who=st.integers(0, 1))
    def go_back(self, version, who):
        made = self.attempt(
            changesets.roll_back_release, version=version, actor=self.people[who], reason="r"
        )
        if made is not None and made.release_id is not None:
            assert changesets.compare(version, made.release_id) == []

    # --- What processes do -------------------------------------------------------------------
    @rule()
    def restart(self):
        runtime.forget()
        self.process.seen = 0
        self.read()
        assert self.process.seen == Release.objects.count()

    @rule()
    def read(self):
        self.kept.append(runtime.refresh())
        self.look()

    @rule(which=st.integers(0, 30))
    def hear_late(self, which):
        """A slow thread of the process installs what it read long ago."""
        if self.kept:
            runtime.install(self.kept[which % len(self.kept)])
            self.look()

    def look(self):
        version = runtime.current().version
        assert version >= self.process.seen
        self.process.seen = version

    # --- What always holds -------------------------------------------------------------------
    @invariant()
    def versions_are_whole(self):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        versions = list(Release.objects.order_by("version").values_list("version", flat=True))
        assert versions == list(range(1, len(versions) + 1))
        published = ChangeSet.objects.filter(state="published")
        assert published.count() == len(versions) - 1

    @invariant()
    def each_version_of_a_row_has_one_history_row(self):
        for model, names in (
            (Config, ["key"]), (PromptTemplate, ["name"]), (ModelEndpoint, ["name"]),
            (ConfigOverride, ["key", "group_id"]),
        ):  # fmt: skip
            found = {}
            for *name, version in model.history.order_by("history_id").values_list(
                *names, "version"
            ):
                found.setdefault(tuple(name), []).append(version)
            for past in found.values():
                assert past == list(range(1, len(past) + 1))
            for row in model.objects.all():
                key = tuple(getattr(row, name) for name in names)
                assert found[key][-1] == row.version

    @invariant()
    def what_holds_fits_together(self):
        assert registry.broken_rules(runtime.build().values) == []


@pytest.mark.timeout(600)
def test_any_order__keeps_what_releases_promise():
    run_state_machine_as_test(
        Steering,
        settings=hypothesis_settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
