"""Secrets that are set, changed, rolled back, exported, imported and refused show up nowhere."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.fake_glm.process import FakeGlm
from tests.stack import search
from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in
from tests.stack.seed import PASSWORD
from tests.stack.service import ROOT, wait_until
from tests.stack.tab import open_tab

pytestmark = pytest.mark.timeout(600)

ENDPOINT = "canary-endpoint"
KEY = "canary.token"
PASSPHRASE = "correct horse battery staple"
SERVICES = "configs.services"
SETS = "configs.changesets"
HISTORY = "/admin/configs/config/changes/"
STARTS = (
    "/admin/",
    f"{HISTORY}?kind=endpoint&key={ENDPOINT}&exact=1",
    f"{HISTORY}?kind=setting&key={KEY}&exact=1",
    f"/admin/configs/config/setting/{KEY}/",
    "/admin/configs/config/transfer/",
    "/",
    "/knowledge/",
    "/accounts/password/",
    "/api/docs/",
)


def secret() -> str:
    return f"{uuid4().hex[:20]}.{uuid4().hex}"


@dataclass(slots=True)
class Exposure:
    """The secrets, all that was printed and answered while they were used, and what for."""

    secrets: list[str] = field(default_factory=list)
    shown: list[tuple[str, bytes]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)

    def make(self, ending: str = "") -> str:
        self.secrets.append(secret() + ending)
        return self.secrets[-1]


class House:
    """What an operator does with secrets, at each of the doors."""

    def __init__(self, machine: Machine, exposure: Exposure) -> None:
        self.machine, self.exposure = machine, exposure
        self._log = (machine.data_dir / "logs" / "steer.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stack.steer"],
            cwd=ROOT,
            env=machine.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()
        self._log.close()

    def do(self, verb: str, **arguments: object) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        printed = self._process.stdout.readline()
        assert printed, f"{verb} failed, see steer.log"
        self.exposure.shown.append((verb, printed))
        return str(json.loads(printed))

    def act(self, verb: str, **arguments: object) -> str:
        return self.do(verb, actor="olga", **arguments)

    def configs(self, *line: str, told: str = "") -> str:
        return self.do("tests.stack.steer.command", line=["configs", *line], typed=told)

    def publish(self, **change: object) -> None:
        drafted = self.act(f"{SETS}.open_draft", title="canary")
        self.act(f"{SETS}.draft", change_set=drafted, **change)
        self.act(f"{SETS}.submit", change_set=drafted, reason="canary", ask_models=False)

    def newest_release(self) -> int:
        with self.machine.database() as connection:
            row = connection.execute("SELECT max(version) FROM configs_release").fetchone()
        return int(str(row[0])) if row else 0


def ask(exposure: Exposure, machine: Machine, alice: Person, marker: str) -> str:
    """Have a question answered with the key in force; Redis is searched while words flow."""

    async def follow() -> str:
        conversation = alice.conversation()
        async with open_tab(alice) as tab:
            accepted = await tab.ask(conversation, f"canary {marker}", knowledge_bases=[])
            exposure.shown += search.memory(machine)
            ledger = await tab.follow(accepted["reply"], 45)
        exposure.shown.append(("frames", json.dumps(ledger.frames).encode()))
        exposure.ids |= {"conversations": conversation, "messages": accepted["reply"]}
        return str(ledger.end["type"])

    return asyncio.run(follow())


def live_endpoint(house: House, exposure: Exposure, glm: FakeGlm, alice: Person) -> None:
    """Create an endpoint, use it, change it, go back, change it by an import; each time use it."""
    machine, marker = house.machine, f"m{uuid4().hex[:10]}"
    first = exposure.make()
    values = {
        "name": ENDPOINT, "kind": "chat", "provider": "openai_compatible", "model": "m",
        "base_url": glm.openai_url, "position": 0, "api_key": first,
        "first_byte_timeout_seconds": 3, "idle_timeout_seconds": 3,
    }  # fmt: skip
    house.act(f"{SERVICES}.create_endpoint", reason="canary", values=values)
    before = house.newest_release()
    glm.rule(marker, tokens=20, tokens_per_second=40)
    for step in ("made", "changed", "rolled back"):
        if step == "changed":
            house.act(
                f"{SERVICES}.change_endpoint",
                name=ENDPOINT, changes={"api_key": exposure.make()}, reason="canary",
            )  # fmt: skip
        if step == "rolled back":
            house.act(f"{SETS}.roll_back_release", version=before, reason="canary")
        wait_for_release(machine, house.newest_release())
        assert ask(exposure, machine, alice, marker) == "reply.done", step
        exposure.used.append(glm.calls(marker)[-1]["authorization"].removeprefix("Bearer "))


def wait_for_release(machine: Machine, version: int) -> None:
    def everywhere() -> bool:
        with machine.database() as connection:
            rows = connection.execute(
                "SELECT config_version FROM configs_runningprocess"
            ).fetchall()
        return bool(rows) and all(int(str(row[0])) >= version for row in rows)

    wait_until(everywhere, f"not every process took up release {version}")


def refused(house: House, exposure: Exposure, glm: FakeGlm, alice: Person) -> None:
    """The model refuses the key and repeats it, as the whole answer and inside of a stream."""
    for rule in ({"status": 401}, {"status": 400}, {"error_at": 3}):
        marker = f"m{uuid4().hex[:10]}"
        glm.rule(marker, echo_key=True, tokens=20, tokens_per_second=40, **rule)
        ask(exposure, house.machine, alice, marker)
        assert glm.calls(marker)


def own_key(house: House, exposure: Exposure) -> None:
    """Set, change and roll back a secret key of an operator's own, and leave one in a draft."""
    about = {"value_type": "text", "description": "d", "is_sensitive": True}
    for _ in range(2):
        value = exposure.make("/+&=")
        house.publish(kind="setting", target=KEY, value={**about, "value": value})
    house.configs("rollback", KEY, "1", "--reason", "canary", "--actor", "olga")
    house.configs("set", KEY, "--reason", "canary", told=exposure.make() + "\n")
    drafted = house.act(f"{SETS}.open_draft", title="waits")
    house.act(
        f"{SETS}.draft", change_set=drafted, kind="endpoint", target=ENDPOINT,
        value={"api_key": exposure.make()},
    )  # fmt: skip


def out_and_in(house: House, exposure: Exposure, folder: Path) -> None:
    """Export without and with secrets, change them, and import them again."""
    plain, sealed = folder / "plain.yaml", folder / "sealed.yaml"
    house.configs("export", str(plain))
    house.configs("export", str(sealed), "--with-secrets", "--yes", told=PASSPHRASE + "\n")
    exposure.shown += [(path.name, path.read_bytes()) for path in (plain, sealed)]
    changed = {"api_key": exposure.make()}
    house.act(f"{SERVICES}.change_endpoint", name=ENDPOINT, changes=changed, reason="canary")
    with_secrets = ("--with-secrets", "--reason", "canary")
    house.configs("import", str(sealed), "--dry-run", *with_secrets, told=PASSPHRASE + "\n")
    house.configs("import", str(sealed), "--yes", *with_secrets, told=PASSPHRASE + "\n")
    newest = house.newest_release()
    for verb in (
        ("list",), ("list", "--json"), ("get", KEY), ("history", KEY, "--json"),
        ("compare", "1", str(newest), "--json"), ("rotate-keys", "--json"),
    ):  # fmt: skip
        house.configs(*verb)


def at_the_screen(house: House, exposure: Exposure, operator: Person) -> None:
    """Type a secret into the form, with and without the password again, right and wrong."""
    with house.machine.database() as connection:
        row = connection.execute(
            "SELECT id FROM configs_modelendpoint WHERE name = %s", [ENDPOINT]
        ).fetchone()
    form = f"/admin/configs/modelendpoint/{row[0] if row else ''}/change/"
    confirm = {"password": PASSWORD, "next": form}
    for again in (False, True):
        if again:
            answer = operator.http.post("/accounts/confirm/", data=confirm)
            assert answer.status_code == 302
        exposure.shown.append(("form", search.whole(operator.http.get(form))))
        for parameters in ("{}", "{broken", '{"temperature": 99}'):
            typed = {"api_key": exposure.make(), "parameters": parameters, "reason": "canary"}
            fields = {
                "name": ENDPOINT, "kind": "chat", "provider": "openai_compatible", "model": "m",
                "position": "0", "context_tokens": "32000", "input_price": "0",
                "output_price": "0", "first_byte_timeout_seconds": "3",
                "idle_timeout_seconds": "3", "base_url": "http://127.0.0.1:9/v1/",
            }  # fmt: skip
            answer = operator.http.post(form, data=fields | typed)
            assert answer.status_code < 500
            exposure.shown.append(("typed", search.whole(answer)))


@pytest.fixture(scope="module")
def exposure(
    machine: Machine, alice: Person, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exposure]:
    """Do everything with secrets that can be done with them."""
    made = Exposure()
    house = House(machine, made)
    machine.glm.clear()
    live_endpoint(house, made, machine.glm, alice)
    own_key(house, made)
    refused(house, made, machine.glm, alice)
    with signed_in(machine.url, "olga") as operator:
        at_the_screen(house, made, operator)
    out_and_in(house, made, tmp_path_factory.mktemp("bundles"))
    house.do("tests.stack.seed.make_administrator", username="adele")
    yield made
    machine.glm.clear()
    house.publish(kind="endpoint", target=ENDPOINT, action="delete")
    wait_for_release(machine, house.newest_release())
    house.close()


@pytest.fixture(scope="module")
def administrator(machine: Machine, exposure: Exposure) -> Iterator[Person]:
    with signed_in(machine.url, "adele") as person:
        yield person


def test_secrets__were_really_used(exposure: Exposure) -> None:
    assert exposure.used == [exposure.secrets[0], exposure.secrets[1], exposure.secrets[0]]
    assert len(set(exposure.secrets)) == len(exposure.secrets) >= 12


def test_answers__frames_commands_exports_and_redis_meanwhile__show_none(
    exposure: Exposure,
) -> None:
    assert search.leaks(exposure.shown, exposure.secrets) == []


@pytest.mark.parametrize("name", ["administrator", "olga", "aidan"])
def test_pages__that_each_of_them_can_open__show_none(
    exposure: Exposure, request: pytest.FixtureRequest, name: str
) -> None:
    person = request.getfixturevalue(name)
    found = list(search.pages(person, *STARTS))
    admin = [place for place, _ in found if " /admin/" in place]
    assert len(admin) > 25, admin
    assert not [place for place, _ in found if place[-3:-2] == "5"]
    for part in ("/admin/configs/modelendpoint/", f"{HISTORY}?kind=endpoint"):
        assert any(part in place for place in admin), part
    found += search.api(person, **exposure.ids)
    assert search.leaks(found, exposure.secrets) == []


def test_database_redis_files_and_metrics__hold_none(exposure: Exposure, machine: Machine) -> None:
    metrics = httpx.get(f"{machine.url}/metrics")
    places = [
        ("metrics", metrics.content),
        *search.database(machine),
        *search.memory(machine),
        *search.files(machine),
    ]
    assert metrics.status_code == 200
    names = " ".join(name for name, _ in places)
    for wanted in ("logs/web.log", "logs/answers.log", "historicalmodelendpoint", "redis 0"):
        assert wanted in names
    assert search.leaks(places, exposure.secrets) == []


@pytest.mark.parametrize(
    "disguise",
    [
        lambda s: s,
        lambda s: s[:12],
        lambda s: base64.b64encode(f"k{s}".encode()).decode(),
        lambda s: base64.urlsafe_b64encode(f"ke{s}".encode()).decode(),
    ],
    ids=["plain", "cut", "base64", "base64 for URLs"],
)
def test_search__leak_that_was_planted__is_found_everywhere(
    machine: Machine, alice: Person, disguise: object
) -> None:
    planted = secret()
    leak = disguise(planted)  # type: ignore[operator]
    alice.conversation(title=leak)
    with machine.redis() as client:
        client.rpush("planted", leak)
    log = machine.data_dir / "logs" / "planted.log"
    log.write_text(f"ERROR it failed with {leak}\n")
    with signed_in(machine.url, "alice") as person:
        places = [
            *search.database(machine),
            *search.memory(machine),
            *search.files(machine),
            *search.api(person),
        ]
    log.unlink()
    with machine.redis() as client:
        client.delete("planted")
    found = " ".join(search.leaks(places, [planted]))
    for place in ("conversations_conversation", "redis 0 b'planted'", "planted.log", "alice /api/"):
        assert place in found
    assert planted[:12] not in found
