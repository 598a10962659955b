"""The model fails in every way it can: the reply says so, keeps its text, and never hangs."""

from typing import Any

import pytest

from tests.fake_glm.answers import is_consecutive
from tests.fake_glm.process import FakeGlm
from tests.stack.ledger import Ledger
from tests.stack.machine import API_KEY
from tests.stack.people import Person
from tests.stack.tab import open_tab


@pytest.fixture(autouse=True)
async def heal(alice: Person, glm: FakeGlm):
    """Leave the circuit breaker closed: the next test starts with a healthy endpoint."""
    yield
    glm.clear()
    for _ in range(40):
        async with open_tab(alice) as tab:
            accepted = await tab.ask(alice.conversation(), "are you well?", knowledge_bases=[])
            ledger = await tab.follow(accepted["reply"], 30)
        if ledger.end["type"] == "reply.done":
            return
    raise AssertionError("the endpoint was never tried again")


async def ask(
    alice: Person, glm: FakeGlm, marker: str, **rule: Any
) -> tuple[Ledger, dict[str, Any]]:
    """Ask under a rule and return the account and the row of the reply."""
    conversation = alice.conversation()
    glm.rule(marker, **rule)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"fail {marker}", knowledge_bases=[])
        ledger = await tab.follow(accepted["reply"], 45)
    assert ledger.breaches == []
    row = alice.message(conversation, accepted["reply"])
    assert row["content"] == ledger.text
    return ledger, row


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"status": 429, "retry_after": 1}, "provider_busy"),
        ({"status": 500}, "provider_unavailable"),
        ({"status": 502}, "provider_unavailable"),
        ({"html": True}, None),
        ({"hang_at": 0}, "provider_timeout"),
        ({"status": 400}, "provider_rejected"),
        ({"status": 401, "echo_key": True}, "provider_auth"),
        ({"close_at": 0, "reset": True}, None),
    ],
    ids=["429", "500", "502", "html", "hang", "400", "401", "reset"],
)
async def test_failure__before_the_first_word__fails_with_a_reason(
    alice: Person, glm: FakeGlm, marker: str, rule: dict[str, Any], code: str | None
) -> None:
    ledger, row = await ask(alice, glm, marker, **rule)
    assert ledger.end["type"] == "reply.failed"
    assert row["status"] == "failed"
    assert row["content"] == ""
    error = ledger.end["error"]
    assert error["code"] == row["error"]["code"]
    assert error["code"].startswith("provider_")
    assert code in (None, error["code"])
    assert error["detail"]
    assert error["retryable"] is (error["code"] not in ("provider_rejected", "provider_auth"))
    assert API_KEY not in str(ledger.frames) + str(row)


@pytest.mark.parametrize(
    "rule",
    [
        {"hang_at": 12},
        {"close_at": 12},
        {"close_at": 12, "reset": True},
        {"error_at": 12},
    ],
    ids=["hang", "fin", "rst", "error"],
)
async def test_failure__in_mid_answer__keeps_the_text_and_says_so(
    alice: Person, glm: FakeGlm, marker: str, rule: dict[str, Any]
) -> None:
    ledger, row = await ask(alice, glm, marker, tokens=40, tokens_per_second=40, **rule)
    [call] = glm.calls(marker)
    assert ledger.end["type"] == "reply.failed"
    assert row["status"] == "interrupted"
    assert row["content"] == call["sent"]
    assert len(call["sent"].split()) == 12
    assert ledger.end["error"]["code"].startswith("provider_")


async def test_stream__without_done__is_not_passed_off_as_lost_text(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    ledger, row = await ask(alice, glm, marker, tokens=20, done=False)
    assert row["status"] == "complete"
    assert ledger.text == glm.calls(marker)[0]["answer"]


async def test_stream__slow__goes_through(alice: Person, glm: FakeGlm, marker: str) -> None:
    ledger, row = await ask(alice, glm, marker, tokens=4, tokens_per_second=1)
    assert row["status"] == "complete"
    assert is_consecutive(ledger.text)


async def test_model__busy_for_a_moment__is_asked_again_before_the_first_word(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    ledger, row = await ask(alice, glm, marker, status=429, retry_after=1, times=1)
    assert row["status"] == "complete"
    assert ledger.text == glm.calls(marker)[-1]["answer"]
    assert len(glm.calls(marker)) == 2
