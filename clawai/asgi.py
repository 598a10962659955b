"""The ASGI entry point: HTTP to Django, sockets to Channels after a look at their origin."""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http.cookie import parse_cookie

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
http = get_asgi_application()

# These import models, which needs the line above.
from configs import runtime  # noqa: E402
from conversations.routing import websocket_urlpatterns  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[Any]]


class CookieOriginGuard:
    """Refuses a socket that carries a session cookie from a page that is not ours (HTTP 403).

    A cookie travels with every request of a browser, whichever page opens the socket. A client
    without one shows a token in its first frame, which no foreign page can know.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.origins = {_without_default_port(origin) for origin in settings.WEBSOCKET_ORIGINS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the socket on, or deny it before it is accepted."""
        trusted = not self._carries_session(scope) or self._origin(scope) in self.origins
        app = self.app if trusted else WebsocketDenier()
        await app(scope, receive, send)

    def _carries_session(self, scope: Scope) -> bool:
        cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        return settings.SESSION_COOKIE_NAME in parse_cookie(cookies.decode("latin1"))

    def _origin(self, scope: Scope) -> str:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        return origins[0].decode("latin1") if len(origins) == 1 else "null"


def _without_default_port(origin: str) -> str:
    """Return `origin` as a browser writes it."""
    default = {"https": ":443", "http": ":80"}.get(origin.split(":", 1)[0], "")
    return origin.removesuffix(default)


async def lifespan(_scope: Scope, receive: Receive, send: Send) -> None:
    """Begin the live refreshing of the configuration with the process."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await asyncio.to_thread(runtime.start, "web")
        else:
            await asyncio.to_thread(runtime.stop)
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": CookieOriginGuard(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        "lifespan": lifespan,
    }
)
