"""Connections of the pool that the server ends in the moment that a request goes out on them."""

import socketserver
import threading
from collections.abc import Iterator

import pytest

from configs.errors import ProviderUnavailable
from configs.providers.base import Endpoint, Turn
from configs.providers.openai_compatible import OpenAICompatibleChat
from configs.providers.zhipu import ZhipuChat, ZhipuEmbedder

CHUNK = b'data: {"choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]}\n\n'
STREAM = CHUNK + b"data: [DONE]\n\n"
VECTORS = b'{"data": [{"index": 0, "embedding": [0.6, 0.8]}]}'


class OneAnswer(socketserver.StreamRequestHandler):
    """Answers the first request of a connection, and hangs up on hearing the second."""

    def handle(self) -> None:
        for number in range(2):
            heard = self._request()
            if heard is None:
                return
            self.server.heard += 1
            if number == 0 and self.server.answers:
                kind, body = (
                    ("application/json", VECTORS)
                    if b"embeddings" in heard
                    else ("text/event-stream", STREAM)
                )
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + body)
            else:
                return

    def _request(self) -> bytes | None:
        first, length = self.rfile.readline(), 0
        while (line := self.rfile.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        return first or None


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    answers = True
    heard = 0


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), OneAnswer) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def endpoint(server: Server, provider: str) -> Endpoint:
    url = f"http://127.0.0.1:{server.server_address[1]}/v4/"
    return Endpoint("glm", "chat", provider, "m", base_url=url, api_key="id.secret4711")


async def ask(model: ZhipuChat | OpenAICompatibleChat) -> str:
    return "".join([delta.text async for delta in model.stream([Turn("user", "hello")])])


@pytest.mark.parametrize(
    ("adapter", "provider"),
    [(ZhipuChat, "zhipu"), (OpenAICompatibleChat, "openai_compatible")],
)
async def test_stream__pooled_connection_ends_unheard__asks_again(server, adapter, provider):
    model = adapter(endpoint(server, provider))

    assert [await ask(model) for _ in range(3)] == ["hello"] * 3
    assert server.heard > 3, "no connection was used twice: the test shows nothing"


@pytest.mark.parametrize(
    ("adapter", "provider", "most"),
    [(ZhipuChat, "zhipu", 1), (OpenAICompatibleChat, "openai_compatible", 2)],
)
async def test_stream__server_always_hangs_up__is_unavailable(server, adapter, provider, most):
    server.answers = False

    with pytest.raises(ProviderUnavailable):
        await ask(adapter(endpoint(server, provider)))
    assert server.heard <= most


def test_embedder__pooled_connection_ends_unheard__asks_again(server):
    model = ZhipuEmbedder(endpoint(server, "zhipu"))
    model.dimensions = 2

    assert [model.embed_query("hello").shape for _ in range(3)] == [(2,)] * 3
    assert server.heard > 3
