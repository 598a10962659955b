"""Jobs: started once, told of, cancelled, taken up again, and given up in the end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from configs import jobs, working
from configs.errors import Conflict, Forbidden, Invalid, ProviderBusy
from configs.models import AuditEntry, Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def doing() -> Iterator[list[Any]]:
    """What the jobs of the kind `test` do, call by call."""
    script: list[Any] = []

    @jobs.register("test")
    def act(handle: working.Handle) -> working.Later | None:
        return script.pop(0)(handle)

    yield script
    working._handlers.pop("test")


def begun(owner: User, **payload: Any) -> Job:
    return jobs.start(kind="test", title="Long work", owner=owner, payload=payload)


def fresh(job: Job) -> Job:
    job.refresh_from_db()
    return job


def expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_start__same_work_twice__is_one_job_until_it_is_over(olga: User, doing: list[Any]) -> None:
    first, second = begun(olga, base="a"), begun(olga, base="a")
    assert first.pk == second.pk
    assert begun(olga, base="b").pk != first.pk
    jobs.cancel(job=first, actor=olga)
    assert begun(olga, base="a").pk != first.pk


def test_start__unknown_kind__is_refused(olga: User) -> None:
    with pytest.raises(Invalid):
        jobs.start(kind="nothing", title="", owner=olga, payload={})


def test_run__done__keeps_progress_and_result(olga: User, doing: list[Any]) -> None:
    def act(handle: working.Handle) -> None:
        handle.progress(2, 4, "Indexing")
        handle.remember(rows=4)

    doing.append(act)
    job = begun(olga)
    working.run(job.pk)
    assert (fresh(job).state, job.done, job.total, job.result) == ("done", 2, 4, {"rows": 4})
    assert job.finished_at is not None
    working.run(job.pk)
    assert fresh(job).attempts == 1


def test_run__later__waits_without_counting_attempts(olga: User, doing: list[Any]) -> None:
    job = begun(olga)
    for _ in range(5):
        doing.append(lambda handle: working.Later(1))
        working.run(job.pk)
        assert fresh(job).state == "running"
        working.run(job.pk)
        assert doing == []
        expire(job)
        assert working.sweep() == [job.pk]
    doing.append(lambda handle: None)
    working.run(job.pk)
    assert fresh(job).state == "done"


def test_run__worker_lost_three_times__is_given_up(olga: User, doing: list[Any]) -> None:
    def die(handle: working.Handle) -> None:
        raise KeyboardInterrupt

    job = begun(olga)
    for _ in range(3):
        doing.append(die)
        with pytest.raises(KeyboardInterrupt):
            working.run(job.pk)
        expire(job)
        working.sweep()
    assert (fresh(job).state, job.message) == ("failed", working.GIVEN_UP)


def test_run__lease_taken_by_another__writes_nothing_more(olga: User, doing: list[Any]) -> None:
    job = begun(olga)

    def overtaken(handle: working.Handle) -> None:
        expire(job)
        doing.append(lambda other: other.progress(7, 9))
        working.run(job.pk)
        handle.progress(1, 9)

    doing.append(overtaken)
    working.run(job.pk)
    assert (fresh(job).state, job.done) == ("done", 7)


def test_run__busy_provider__tries_again_then_fails(olga: User, doing: list[Any]) -> None:
    def refuse(handle: working.Handle) -> None:
        raise ProviderBusy

    job = begun(olga)
    for state in ("running", "running", "failed"):
        doing.append(refuse)
        working.run(job.pk)
        assert fresh(job).state == state
        expire(job) if state == "running" else None
    assert job.message == "The language model is busy"


def test_cancel__running__stops_at_the_next_sign_of_life(olga: User, doing: list[Any]) -> None:
    job, tidied = begun(olga), []

    def act(handle: working.Handle) -> None:
        jobs.cancel(job=job, actor=olga)
        try:
            handle.progress(1, 2)
        except jobs.Cancelled:
            tidied.append(1)
            raise

    doing.append(act)
    working.run(job.pk)
    assert (fresh(job).state, tidied) == ("cancelled", [1])
    with pytest.raises(Conflict):
        jobs.cancel(job=job, actor=olga)


def test_cancel__by_the_cast__owner_and_those_who_may(
    olga: User, aidan: User, alice: User, doing: list[Any]
) -> None:
    job = begun(alice)
    for person in (aidan,):
        with pytest.raises(Forbidden):
            jobs.cancel(job=job, actor=person)
    assert jobs.cancel(job=job, actor=olga).state == "cancelled"
    own = begun(alice, n=2)
    assert jobs.cancel(job=own, actor=alice).state == "cancelled"
    assert {job.owner for job in jobs.visible_to(alice)} == {alice}
    assert AuditEntry.objects.filter(action="job.cancel").count() == 2


def test_sweep__lost_nudge__is_repeated_but_not_at_once(olga: User, doing: list[Any]) -> None:
    job = begun(olga)
    assert working.sweep() == []
    expire(job)
    assert working.sweep() == [job.pk]
    assert working.sweep() == []
