"""The test call to a model endpoint, told in plain words with what to do next."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from asgiref.sync import async_to_sync
from django.db import connection
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import providers, runtime
from configs.models import ModelEndpoint
from configs.providers import Health

PATIENCE_SECONDS: Final = 10
ADVICE: Final = {
    "provider_auth": _("Check the key: it is wrong, has run out, or belongs to another address."),
    "provider_unavailable": _(
        "Check the address, that the server runs, and that this machine may reach it."
    ),
    "provider_timeout": _("It may be loading the model: try again in a minute."),
    "provider_busy": _("It limits how often it may be asked: try again in a minute."),
    "provider_rejected": _("Check the name of the model and the parameters."),
    "provider_interrupted": _("It answered without a word: check the name of the model."),
    "no_endpoint": _("This provider does not do this kind of work: choose another kind."),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test call went, in words."""

    ok: bool
    text: str


def probe(row: ModelEndpoint) -> Outcome:
    """Make one tiny call to the endpoint that the row describes, stored or not."""
    endpoint = runtime.endpoint_of(row)
    if endpoint is None:
        missing = (
            _("An address is missing.") if row.api_key else _("A key or an address is missing.")
        )
        return Outcome(ok=False, text=str(missing))
    hasty = replace(
        endpoint,
        first_byte_timeout_seconds=min(endpoint.first_byte_timeout_seconds, PATIENCE_SECONDS),
        idle_timeout_seconds=min(endpoint.idle_timeout_seconds, PATIENCE_SECONDS),
    )
    if not connection.in_atomic_block:
        connection.close()  # it goes back to the pool while the model is asked
    return _told(row, async_to_sync(_within)(hasty))


async def _within(endpoint: providers.Endpoint) -> Health:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS + 2):
            return await providers.health_check(endpoint)
    except TimeoutError:
        detail = gettext("There was no answer within %(count)d seconds.") % {
            "count": PATIENCE_SECONDS
        }
        return Health(PATIENCE_SECONDS * 1000.0, "provider_timeout", detail)


def _told(row: ModelEndpoint, health: Health) -> Outcome:
    model = row.model or row.get_provider_display()
    if health.error:
        advice = str(ADVICE.get(health.error, ""))
        return Outcome(ok=False, text=f"{health.detail}. {advice}".replace("。.", "。").strip())
    words = (
        gettext("%(model)s answers: first word after %(count)d ms.")
        if row.kind == ModelEndpoint.Kind.CHAT
        else gettext("%(model)s answers: within %(count)d ms.")
    )
    return Outcome(ok=True, text=words % {"model": model, "count": round(health.latency_ms)})
