"""How often the doors may be knocked at: one place for every limit."""

import ipaddress
import logging
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.models import username_key
from configs.errors import RateLimited, Unavailable

logger = logging.getLogger(__name__)

LOGINS_OF_AN_ACCOUNT = "10/5m"
LOGINS_FROM_AN_ADDRESS = "100/5m"
RETRY_AFTER_SECONDS = 5

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest) -> str:
    """Return the address of the client: the right-most one that is no proxy of ours.

    `X-Forwarded-For` counts only when the peer itself is in `TRUSTED_PROXIES`; IPv6 clients are
    told apart by their /64.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    client = None
    for hop in (request.META.get("REMOTE_ADDR", ""), *reversed(forwarded)):
        address = _address(hop.strip())
        if address is None:
            break
        client = address
        if not _is_trusted(address, settings.TRUSTED_PROXIES):
            break
    return _client(client) if client else "unknown"


def _address(text: str) -> Address | None:
    """Return the address in `text`, an IPv4 one also out of its IPv6 clothing."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address, networks: Iterable[str]) -> bool:
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def _client(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def count_login(request: HttpRequest, username: str) -> None:
    """Count an attempt to sign in, by account and by address.

    Raises:
        RateLimited: too many; it opens again by itself after `retry_after` seconds.
        Unavailable: they cannot be counted at the moment, so nobody is let in.
    """
    _count(request, "login.address", client_address(request), LOGINS_FROM_AN_ADDRESS)
    _count(request, "login.account", username_key(username), LOGINS_OF_AN_ACCOUNT)


def _count(request: HttpRequest, group: str, value: str, rate: str) -> None:
    try:
        usage = get_usage(
            request, group=group, key=lambda *_request: value, rate=rate, increment=True
        )
    except (RedisError, OSError) as error:
        logger.warning("attempts cannot be counted: %s", error)
        raise Unavailable(
            _("Signing in is not possible at the moment. Please try again soon."),
            retry_after=RETRY_AFTER_SECONDS,
        ) from error
    if usage and usage["should_limit"]:
        seconds = max(1, usage["time_left"])
        said = ngettext(
            "Too many attempts. Try again in %(n)d second.",
            "Too many attempts. Try again in %(n)d seconds.",
            seconds,
        )
        raise RateLimited(said % {"n": seconds}, retry_after=seconds)
