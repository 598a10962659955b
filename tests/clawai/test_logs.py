"""Log lines give no secret away: neither by its name nor by its shape, nor in a traceback."""

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
from django.conf import settings

from clawai.logs import ConsoleFormatter, JsonFormatter, RequestIdFilter, SecretsFilter
from configs import crypto, secrecy

SECRET = "Canary/4711+unique=0815"


@pytest.fixture(params=[ConsoleFormatter, JsonFormatter])
def lines(request):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(request.param())
    handler.addFilter(RequestIdFilter())
    handler.addFilter(SecretsFilter())
    logger = logging.getLogger(f"tests.logs.{request.param.__name__}")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, out
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "disguise",
    [
        lambda s: s,
        lambda s: s[:13],
        lambda s: quote(s, safe=""),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(b"x" + s.encode()).decode(),
        lambda s: base64.urlsafe_b64encode(b"id" + s.encode() + b"!").decode(),
    ],
    ids=["plain", "cut", "url", "base64", "shifted", "shifted twice"],
)
def test_line__secret_that_this_process_sealed__shows_dots(lines, disguise):
    logger, out = lines
    crypto.encrypt(json.dumps(SECRET))
    logger.warning("call with %s failed", disguise(SECRET))
    assert "call with " in out.getvalue()
    for form in secrecy.disguises(SECRET):
        assert form not in out.getvalue()
    assert SECRET[:12] not in out.getvalue()


def test_line__secret_that_was_opened_from_the_database__shows_dots(lines, monkeypatch):
    logger, out = lines
    sealed = crypto.encrypt("opened-elsewhere-4711")
    monkeypatch.setattr(secrecy, "_known", {})
    monkeypatch.setattr(secrecy, "_by_name", None)
    crypto.decrypt(sealed)
    logger.error("opened-elsewhere-4711")
    assert "opened" not in out.getvalue()


def test_traceback__holds_a_secret__shows_dots(lines):
    logger, out = lines
    crypto.encrypt(SECRET)
    try:
        raise ValueError(f"Illegal header value b'Bearer {SECRET}'")  # noqa: TRY301
    except ValueError:
        logger.exception("it broke")
    assert "Illegal header value" in out.getvalue()
    assert "Traceback" in out.getvalue()
    assert SECRET[:12] not in out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJhcGlfa2V5IjoiaWQifQ.c2lnbmF0dXJl",
        "sk-0123456789abcdefghij",
        "0123456789abcdef0123456789abcdef.AbCdEf0123456789",
        "postgres://clawai:hunter22@127.0.0.1/x",
        "{'api_key': 'hunter22hunter'}",
        "password=hunter22hunter&x=1",
    ],
)
def test_line__text_of_a_secrets_shape__shows_dots(lines, text):
    logger, out = lines
    logger.info(text)
    assert (
        secrecy.HIDDEN in (out.getvalue().encode().decode("unicode_escape"))
        or "••••" in out.getvalue()
    )
    assert not any(
        part in out.getvalue() for part in ("abcdef0123", "hunter22", "eyJhcGl", "AbCdEf")
    )


@pytest.mark.parametrize(
    "text",
    [
        "Configs v12 in force.",
        "GET /api/v1/conversations/0197b0e2-6f3e-7cc2-a83e-3c2f6a4f3b1c/ 200",
        "the bearer of basic authentication credentials",
        "http://127.0.0.1:8000/accounts/login/?next=/admin/",
        "The password was changed.",
    ],
)
def test_line__ordinary__stays_as_it_is(lines, text):
    logger, out = lines
    logger.info(text)
    assert text in out.getvalue()


def test_record__arguments_that_do_not_fit__is_still_written(lines):
    logger, out = lines
    logger.info("%d of %s", "two")  # noqa: PLE1206  # that is the point
    assert "%d of %s" in out.getvalue()


def test_settings__every_handler__has_the_filter():
    assert all("secrets" in each["filters"] for each in settings.LOGGING["handlers"].values())
    assert secrecy.redact(settings.SECRET_KEY) == secrecy.HIDDEN
    assert secrecy.redact(settings.FIELD_KEYS[0]) == secrecy.HIDDEN
