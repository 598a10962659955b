"""Pinning: what began with a release goes on with it, here and nowhere else."""

import asyncio
import threading
from dataclasses import replace

import pytest

from configs import registry, runtime
from configs.models import Config

pytestmark = pytest.mark.django_db


def test_pinned__new_release__does_not_reach_what_is_inside():
    old = runtime.current()
    with runtime.pinned(old):
        Config.objects.create(key="retrieval.top_k", value="9")
        runtime.install(replace(runtime.build(), version=old.version + 1))
        assert runtime.current() is old
        assert runtime.current().get(registry.RETRIEVAL_TOP_K) == 6
    assert runtime.current().version == old.version + 1
    assert runtime.current().get(registry.RETRIEVAL_TOP_K) == 9


def test_pinned__other_thread__runs_with_the_newest():
    old = runtime.current()
    seen = []
    with runtime.pinned(old):
        runtime.install(replace(old, version=old.version + 1))
        thread = threading.Thread(target=lambda: seen.append(runtime.current().version))
        thread.start()
        thread.join()
    assert seen == [old.version + 1]


def test_pinned__failure_inside__is_unpinned():
    old = runtime.current()
    with pytest.raises(ZeroDivisionError), runtime.pinned(old):
        raise ZeroDivisionError
    newer = runtime.install(replace(old, version=old.version + 1))
    assert runtime.current() is newer


async def test_pinned__two_tasks__each_has_its_own():
    old = replace(_empty(), version=1)
    new = replace(_empty(), version=2)

    async def work(snapshot: runtime.Snapshot) -> int:
        with runtime.pinned(snapshot):
            await asyncio.sleep(0.01)
            return runtime.current().version

    assert await asyncio.gather(work(old), work(new)) == [1, 2]


def _empty() -> runtime.Snapshot:
    return runtime.Snapshot(0, {}, {}, {}, ())
