"""Calls that act once however often they are sent, as long as they carry the same key.

The key's row is written in the transaction of the call itself: a repetition waits at the unique
index until the first has committed, and a call that fails or dies leaves no row behind.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import orjson
from django.db import OperationalError, connection, transaction
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import IdempotentCall, User
from configs.errors import Conflict, Invalid, KeyReused

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
REMEMBERED: Final = timedelta(hours=24)
WAIT_MS: Final = 10_000
USABLE: Final = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(request: Request) -> str | None:
    """Return the key that the call carries, if any.

    Raises:
        Invalid: it is not 1 to 255 printable ASCII characters without a space.
    """
    key = request.headers.get(HEADER)
    if key is not None and not USABLE.fullmatch(key):
        raise Invalid(_("An Idempotency-Key has 1 to 255 ASCII characters and no space."))
    return key


def act_once(
    handler: Callable[..., HttpResponseBase], request: Request, *args: Any, **kwargs: Any
) -> HttpResponseBase:
    """Return what `handler` answers, or what it answered to the same key and body before.

    Raises:
        KeyReused: the key came with another body within 24 hours.
        Conflict: a call with this key is taking long.
    """
    key = key_of(request)
    assert key is not None  # noqa: S101 - the caller looked
    assert isinstance(request.user, User)  # noqa: S101
    fingerprint = _fingerprint(request)
    with transaction.atomic():
        row = _claim(request.user, key, fingerprint)
        if row.status:
            return _replay(row, fingerprint)
        answer = handler(request, *args, **kwargs)
        _remember(row, answer)
        return answer


def forget_old() -> int:
    """Delete what was remembered for its time; returns how many rows."""
    return IdempotentCall.objects.filter(created_at__lt=timezone.now() - REMEMBERED).delete()[0]


def _claim(user: User, key: str, fingerprint: str) -> IdempotentCall:
    """Return the key's row: a new one with status 0, or the one of the first call."""
    IdempotentCall.objects.filter(
        user=user, key=key, created_at__lt=timezone.now() - REMEMBERED
    ).delete()
    made = IdempotentCall(user=user, key=key, fingerprint=fingerprint)
    with _patience():
        IdempotentCall.objects.bulk_create([made], ignore_conflicts=True)
    return IdempotentCall.objects.get(user=user, key=key)


@contextmanager
def _patience() -> Iterator[None]:
    """Wait for the first call at the index, but not for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{WAIT_MS}ms"])
        try:
            yield
        except OperationalError as error:
            raise Conflict(_("A call with this Idempotency-Key is still in progress.")) from error
        cursor.execute("SELECT set_config('lock_timeout', '0', true)")


def _replay(row: IdempotentCall, fingerprint: str) -> Response:
    if row.fingerprint != fingerprint:
        raise KeyReused
    body = orjson.loads(row.body) if row.body else None
    return Response(body, status=row.status, headers={REPLAYED: "true"})


def _remember(row: IdempotentCall, answer: HttpResponseBase) -> None:
    assert isinstance(answer, Response)  # noqa: S101 - streams are told apart before
    row.status = answer.status_code
    row.body = "" if answer.data is None else JSONRenderer().render(answer.data).decode()
    row.save(update_fields=["status", "body"])


def _fingerprint(request: Request) -> str:
    """Return a hash of method, address and body; files by their content."""
    digest = sha256(f"{request.method} {request.get_full_path()}\n".encode())
    for name in sorted(request.data):
        digest.update(orjson.dumps([name, _hashable(request.data[name])]))
    return digest.hexdigest()


def _hashable(value: Any) -> Any:
    if not hasattr(value, "chunks"):
        return value
    content = sha256()
    for chunk in value.chunks():
        content.update(chunk)
    value.seek(0)
    return [value.name, value.content_type, content.hexdigest()]
