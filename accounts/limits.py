"""How much a person may have, and how often the doors may be knocked at: every limit."""

import ipaddress
import logging
import time
from collections.abc import Iterable
from threading import Lock
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.models import User, username_key
from configs import audit, registry, runtime
from configs.errors import RateLimited, Unavailable
from configs.registry import Setting
from configs.registry.setting import T

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
ROLES_REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


# --- What a person may have ----------------------------------------------------------------
def of_person(user: User, setting: Setting[T]) -> T:
    """Return what a setting is for one person: the most generous exception of their roles.

    A change of roles counts within five seconds. While no role has an exception, nothing is asked.
    """
    snapshot = runtime.current()
    if setting.key not in snapshot.overrides:
        return snapshot.get(setting)
    return snapshot.get(setting, _roles.of(user))


class _Roles:
    """The roles of people, remembered for some seconds: a limit must not cost a query each time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[UUID, tuple[float, tuple[int, ...]]] = {}

    def of(self, user: User) -> tuple[int, ...]:
        """Return the ids of the groups of a person."""
        known = self._known.get(user.pk)
        if known and time.monotonic() < known[0]:
            return known[1]
        roles = tuple(user.groups.order_by("pk").values_list("pk", flat=True))
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[user.pk] = (time.monotonic() + ROLES_REMEMBERED_SECONDS, roles)
        return roles

    def forget(self) -> None:
        """Ask anew."""
        with self._lock:
            self._known.clear()


_roles = _Roles()
forget_roles = _roles.forget


# --- The doors ---------------------------------------------------------------------------------


def client_address(request: HttpRequest) -> str:
    """Return who is counted as one client: the address of `client_ip`, of IPv6 its /64."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    client = client_ip(request.META.get("REMOTE_ADDR", ""), forwarded)
    return _client(client) if client else "unknown"


def client_ip(peer: str, forwarded: str) -> Address | None:
    """Return the address of the client: the right-most one that is no proxy of ours.

    `forwarded`, the header `X-Forwarded-For`, counts only when the peer itself is in
    `TRUSTED_PROXIES`.
    """
    client = None
    for hop in (peer, *reversed(forwarded.split(","))):
        address = _address(hop.strip())
        if address is None:
            break
        client = address
        if not _is_trusted(address, settings.TRUSTED_PROXIES):
            break
    return client


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
    snapshot = runtime.current()
    window = snapshot.get(registry.LOGIN_WINDOW_MINUTES) * 60
    from_address = (snapshot.get(registry.LOGINS_PER_ADDRESS), window)
    of_account = (snapshot.get(registry.LOGINS_PER_ACCOUNT), window)
    _count(request, "login.address", client_address(request), from_address)
    _count(request, "login.account", username_key(username), of_account)


def _count(request: HttpRequest, group: str, value: str, rate: tuple[int, int]) -> None:
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
        _record_limited(group, value, seconds)
        said = ngettext(
            "Too many attempts. Try again in %(n)d second.",
            "Too many attempts. Try again in %(n)d seconds.",
            seconds,
        )
        raise RateLimited(said % {"n": seconds}, retry_after=seconds)


def _record_limited(group: str, value: str, seconds: int) -> None:
    """Record that somebody is kept out, once until it ends: a flood must not fill the log."""
    try:
        first = cache.add(f"audited:{group}:{value}", 1, seconds)
    except (RedisError, OSError):
        return
    if first:
        audit.record(
            action=audit.actions.LOGIN_LIMITED,
            object_type="user" if group == "login.account" else "address",
            object_name=value,
            detail={"seconds": seconds},
        )
