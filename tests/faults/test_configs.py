"""Settings under faults: every process takes up what was published, soon, and never goes back."""

import asyncio
import threading
import time
from collections import Counter

import httpx
import pytest

from tests.stack.house import House
from tests.stack.people import signed_in
from tests.stack.service import wait_until
from tests.stack.tab import open_tab

KEY = "retrieval.top_k"
NAME = "branding.name"


def public_name(house: House) -> str:
    answer = httpx.get(f"{house.machine.url}/api/v1/configs/public/", timeout=5)
    return str(answer.raise_for_status().json()[NAME])


def test_publish__all_well__is_in_force_everywhere_within_two_seconds(house: House):
    for value in (7, 8, 9):
        done = house.operator.publish(KEY, value)
        house.wait_until_all_run(done.version, 5)
        late = {name: since - done.committed for name, (_, since) in house.running().items()}
        assert set(late) == {"web", "answers", "indexing", "beat"}
        assert max(late.values()) < 2, late


def test_publish__redis_killed__the_poll_brings_it(house: House):
    house.machine.kill_redis()
    done = house.operator.publish(KEY, 10)
    house.wait_until_all_run(done.version, 5)
    house.machine.redis_server.start()
    again = house.operator.publish(KEY, 11)
    house.wait_until_all_run(again.version, 2)


def test_publish__redis_killed_in_the_same_moment__is_in_force_within_five_seconds(house: House):
    killing = threading.Thread(target=house.machine.kill_redis)
    killing.start()
    done = house.operator.publish(KEY, 12)
    killing.join()
    house.wait_until_all_run(done.version, 5)


def test_publish__redis_comes_back_empty__the_doorbell_rings_again(house: House):
    house.machine.restart_redis_empty()
    time.sleep(3)  # the listeners are back
    delays = []
    for value in (13, 14, 15, 16):
        done = house.operator.publish(KEY, value)
        house.wait_until_all_run(done.version, 5)
        delays += [since - done.committed for _, since in house.running().values()]
        time.sleep(0.13)
    assert sorted(delays)[len(delays) // 2] < 0.4, delays


def test_publish__redis_flushed_right_after__is_in_force_everywhere(house: House):
    done = house.operator.publish(KEY, 17)
    with house.machine.redis() as client:
        client.flushall()
    house.wait_until_all_run(done.version, 5)


def test_publish__database_killed_and_back__is_in_force_within_five_seconds(house: House):
    before = house.operator.publish(NAME, "Before")
    house.wait_until_all_run(before.version, 5)
    house.kill_postgres()
    assert public_name(house) == "Before"  # last known good
    house.postgres.start()
    done = house.operator.publish(NAME, "After")
    house.wait_until_all_run(done.version, 5)
    assert public_name(house) == "After"


def test_publish__database_away_for_a_while__is_taken_up_soon_after(house: House):
    house.postgres.stop()
    away = time.monotonic()
    while time.monotonic() - away < 20:
        assert public_name(house)
        time.sleep(0.5)
    house.postgres.start()
    done = house.operator.publish(KEY, 18)
    house.wait_until_all_run(done.version, 5)


@pytest.mark.parametrize("name", ["web", "answers", "indexing", "beat"])
def test_publish__process_frozen__catches_up_when_it_wakes(house: House, name: str):
    others = set(house.machine.services) - {name}
    with house.machine.services[name].pause():
        for value in (19, 20, 21):
            done = house.operator.publish(KEY, value)
        house.wait_until_all_run(done.version, 5, others)
        assert house.running()[name][0] < done.version
        time.sleep(2)
    house.wait_until_all_run(done.version, 2)


def test_publish__worker_starts_without_redis__runs_the_newest(house: House):
    service = house.machine.services["indexing"]
    house.machine.kill_redis()
    service.kill()
    done = house.operator.publish(KEY, 22)
    house.machine.redis_server.start()
    service.log.write_text("")
    service.start()
    wait_until(lambda: f"Configs v{done.version} in force" in service.log.read_text(), "it came")
    house.wait_until_all_run(done.version, 5)


def test_process__ended_by_hand__leaves_the_list_at_once(house: House):
    for name in ("indexing", "beat"):
        service = house.machine.services[name]
        pid = service.pid
        assert pid in house.listed()
        service.stop()
        assert pid not in house.listed()
        service.log.write_text("")
        service.start()
    house.wait_until_all_run(1, 30)


async def test_publish__during_running_replies__they_finish_on_theirs_and_say_so(house: House):
    """A10: replies that run keep their release; the next question has the new one."""
    glm = house.machine.glm
    glm.clear()
    glm.rule("slow", tokens=60, tokens_per_second=15)
    publish = house.operator.publish
    before = await asyncio.to_thread(publish, NAME, "Old")
    await asyncio.to_thread(house.wait_until_all_run, before.version, 5)
    with signed_in(house.machine.url, "alice") as alice:
        talks = [alice.conversation() for _ in range(20)]
        async with open_tab(alice) as tab:
            asked = [
                await tab.ask(talk, f"slow {number}", knowledge_bases=[])
                for number, talk in enumerate(talks)
            ]
            for each in asked:
                await tab.until_text(each["reply"], 14)
            done = await asyncio.to_thread(publish, NAME, "New")
            await asyncio.to_thread(house.wait_until_all_run, done.version, 5)
            for each in asked:
                assert (await tab.follow(each["reply"], 30)).breaches == []
            later = await tab.ask(alice.conversation(), "afterwards", knowledge_bases=[])
            await tab.follow(later["reply"], 30)
    with house.machine.database() as connection:
        versions = dict(
            connection.execute(
                "SELECT id::text, config_version FROM conversations_message"
            ).fetchall()
        )
    assert Counter(versions[each["reply"]] for each in asked) == {before.version: 20}
    assert versions[later["reply"]] >= done.version
    systems = [call["messages"][0]["content"] for call in glm.recorded()["calls"]]
    assert sum("Old" in text for text in systems) == 20
    assert sum("New" in text for text in systems) == 1
