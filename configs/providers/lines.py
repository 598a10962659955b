"""HTTP connections whose blocked reads another thread can cut off."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

IDLE_CONNECTIONS = 32
IDLE_SECONDS = 30.0

# A connection goes back to the pool and to another call in the moment its reply ends; under this
# lock `cut` never breaks a connection that is not its own any more.
_ownership = threading.Lock()
_line: ContextVar["Line | None"] = ContextVar("line", default=None)


class Line:
    """The connection of one call; whoever holds it can cut the call off at any moment."""

    def __init__(self) -> None:
        self._stream: _Stream | None = None
        self.is_cut = False
        self.is_reused = False  # the connection has answered another call before

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Bind the calls of this thread to this line; a whole reply leaves its connection open."""
        token = _line.set(self)
        try:
            yield
        finally:
            _line.reset(token)
            self._let_go()

    def cut(self) -> None:
        """Shut the connection down: a read that blocks on it in another thread ends at once."""
        with _ownership:
            self.is_cut = True
            if self._stream is not None and self._stream.line is self:
                self._stream.shut_down()

    def _let_go(self) -> None:
        with _ownership:
            if self._stream is not None and self._stream.line is self:
                self._stream.line = None

    def take(self, stream: "_Stream") -> None:
        """Note that the call goes over `stream` from here on."""
        with _ownership:
            if self.is_cut:
                raise httpcore.WriteError("The call was cancelled.")
            if stream.line is not self:
                self.is_reused = stream.has_answered
            stream.line, self._stream = self, stream


class _Stream(httpcore.NetworkStream):
    """A network stream that knows whose it is."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self.line: Line | None = None
        self.has_answered = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received = self._inner.read(max_bytes, timeout)
        self.has_answered = self.has_answered or bool(received)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        line = _line.get()
        if line is not None:
            line.take(self)
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def shut_down(self) -> None:
        raw = self.get_extra_info("socket")
        with contextlib.suppress(OSError):  # closed already
            # Not `SSLSocket.shutdown`: it pulls the TLS object from under the thread that reads.
            socket.socket.shutdown(raw, socket.SHUT_RDWR)


class _Backend(httpcore.NetworkBackend):
    """Makes such streams."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(*args, **kwargs))


class _Body(httpx.SyncByteStream):
    """The body of a response."""

    def __init__(self, inner: Iterable[bytes]) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        if hasattr(self._inner, "close"):
            self._inner.close()


class LineTransport(httpx.BaseTransport):
    """An HTTP transport over such streams; the proxy of the environment is respected.

    Failures come out as `httpcore` raises them.
    """

    def __init__(self, base_url: str) -> None:
        address = httpx.URL(base_url)
        options: dict[str, Any] = {
            "ssl_context": httpx.create_ssl_context(),
            "max_connections": None,  # as many as there are replies in progress
            "max_keepalive_connections": IDLE_CONNECTIONS,
            "keepalive_expiry": IDLE_SECONDS,
            "network_backend": _Backend(),
        }
        proxy = urllib.request.getproxies().get(address.scheme)
        if proxy and not urllib.request.proxy_bypass(address.host):
            self._pool: httpcore.ConnectionPool = httpcore.HTTPProxy(proxy, **options)
        else:
            self._pool = httpcore.ConnectionPool(**options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, streaming the response."""
        line = _line.get()
        if line is None:
            with (line := Line()).in_use():
                response = self._answer(request, line)
        else:
            response = self._answer(request, line)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),  # type: ignore[arg-type]  # sync: it came from a sync pool
            extensions=response.extensions,
        )

    def _answer(self, request: httpx.Request, line: Line) -> httpcore.Response:
        """Return the answer to the request, over a connection that is not too old for it.

        A server may end a connection of the pool in the moment that a request goes out on it; the
        request was not heard then, and goes out again. Each such connection leaves the pool.
        """
        while True:
            line.is_reused = False
            try:
                return self._pool.handle_request(_core_request(request))
            except (httpcore.NetworkError, httpcore.RemoteProtocolError):
                if line.is_cut or not line.is_reused:
                    raise

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _core_request(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )
