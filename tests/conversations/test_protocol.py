"""Frames: what is well-formed comes through, everything else is refused, nothing else is raised."""

import contextlib
import json
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import protocol
from conversations.protocol import Malformed, MessageSend, Ping, ReplyResume, ReplyStop

ID = "0d9fda5c-6f0e-4a44-9f0b-3a5f7e1c9a11"
SEND = {"type": "message.send", "conversation": ID, "client_id": "c1", "content": "Why?"}
RESUME = {"type": "reply.resume", "reply": ID, "epoch": 1, "after": 3}
storable = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200
).filter(str.strip)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_parse__each_kind__its_dataclass():
    assert protocol.parse(json.dumps(SEND)) == MessageSend(UUID(ID), "c1", "Why?")
    assert protocol.parse(json.dumps(RESUME)) == ReplyResume(UUID(ID), 1, 3)
    assert protocol.parse(json.dumps({"type": "reply.stop", "reply": ID})) == ReplyStop(UUID(ID))
    assert protocol.parse('{"type":"ping"}') == Ping()


def test_parse__parent_left_out_or_null__not_the_same():
    assert protocol.parse(json.dumps(SEND)).parent is protocol.UNSET
    assert protocol.parse(json.dumps(SEND | {"parent": None})).parent is None
    assert protocol.parse(json.dumps(SEND | {"knowledge_bases": []})).knowledge_bases == ()


@pytest.mark.parametrize(
    "frame",
    [
        SEND | {"content": ""},
        SEND | {"content": " \n"},
        SEND | {"content": "x" * 32_001},
        SEND | {"content": "a\0b"},
        SEND | {"content": 7},
        SEND | {"content": None},
        SEND | {"conversation": "not-an-id"},
        SEND | {"conversation": ID.replace("-", "")},
        SEND | {"conversation": f" {ID}"},
        SEND | {"client_id": "x" * 65},
        SEND | {"knowledge_bases": ID},
        SEND | {"knowledge_bases": [ID, 1]},
        SEND | {"knowledge_bases": [ID] * 101},
        SEND | {"role": "assistant"},
        SEND | {"__proto__": {}},
        {key: value for key, value in SEND.items() if key != "client_id"},
        RESUME | {"after": -1},
        RESUME | {"after": 1.0},
        RESUME | {"after": True},
        RESUME | {"after": "3"},
        RESUME | {"after": 10**30},
        RESUME | {"after": 2**31},
        RESUME | {"epoch": None},
        {"type": ["ping"]},
        {"type": "ping", "x": 1},
        {"type": "reply.done"},
        {},
    ],
)
def test_parse__wrong_fields__malformed(frame):
    with pytest.raises(Malformed):
        protocol.parse(json.dumps(frame))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ping",
        "[]",
        "null",
        '"ping"',
        "7",
        "NaN",
        '{"type":"ping"',
        '{"type":"ping","x":NaN}',
        '{"type":"ping","x":1e999}',
        '{"type":"\\ud800"}',
        "\ud800",
        "[" * 100_000,
        '{"a":' * 20_000,
        " " * 70_000 + '{"type":"ping"}',
        b'{"type":"ping"}',
        b"",
    ],
)
def test_parse__not_a_frame__malformed(raw):
    with pytest.raises(Malformed):
        protocol.parse(raw)


@given(st.text() | st.binary())
def test_parse__any_text__malformed_or_a_frame(raw):
    with contextlib.suppress(Malformed):
        protocol.parse(raw)


@given(
    st.sampled_from(["message.send", "reply.resume", "reply.stop", "ping"]),
    st.dictionaries(
        st.sampled_from(
            ["conversation", "client_id", "content", "reply", "epoch", "after", "parent", "x"]
        ),
        json_values | st.just(ID),
    ),
)
def test_parse__any_fields__malformed_or_a_frame(kind, fields):
    try:
        frame = protocol.parse(json.dumps(fields | {"type": kind}))
    except Malformed:
        return
    for name in fields:
        assert hasattr(frame, name)


@given(storable)
def test_parse__any_storable_content__comes_through_unchanged(content):
    assert protocol.parse(json.dumps(SEND | {"content": content})).content == content


def test_parse__malformed_send__names_the_message():
    with pytest.raises(Malformed) as caught:
        protocol.parse(json.dumps(SEND | {"content": ""}))
    assert caught.value.client_id == "c1"
    assert "content" in caught.value.errors


@given(storable, st.integers(1, 2**31 - 1))
def test_encode__delta__round_trip(text, seq):
    reply = uuid4()
    frame = orjson.loads(protocol.encode(protocol.ReplyDelta(reply, 1, seq, text)))
    assert frame == {
        "type": "reply.delta",
        "reply": str(reply),
        "epoch": 1,
        "seq": seq,
        "text": text,
    }


def test_encode__optional_fields_not_set__left_out():
    body = {"code": "invalid", "detail": "no", "retryable": False}
    assert orjson.loads(protocol.encode(protocol.Error(body))) == {"type": "error", "error": body}
