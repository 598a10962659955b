"""The HTTP server: Zhipu's and OpenAI's routes, and the control endpoint that tests steer it by."""

import asyncio
import socket
from typing import Any

from aiohttp import web

from tests.fake_glm.answers import (
    count_tokens,
    embedding,
    last_user_message,
    numbered,
    scripted,
    shared_characters,
)
from tests.fake_glm.dialects import Dialect, OpenAIDialect, Usage
from tests.fake_glm.rules import Book, Call, Rule
from tests.fake_glm.streaming import DroppedError, Streamed, wait_for_ever

BOOK = web.AppKey("book", Book)
ZHIPU = "/api/paas/v4"
OPENAI = "/v1"
MAX_INPUTS = 64


def dialect_of(request: web.Request, call: int, model: str) -> Dialect:
    """Return the wire format that the path asks for."""
    return (OpenAIDialect if request.path.startswith(OPENAI) else Dialect)(call, model)


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer `chat/completions`."""
    body = await request.json()
    book = request.app[BOOK]
    call = record(book, request, body)
    rule = book.take(last_user_message(call.messages))
    tokens = (
        scripted(rule.text) if rule.text is not None else numbered(call.messages, rule.tokens or 0)
    )
    call.answer = "".join(tokens)
    try:
        response = await respond(request, rule, call, tokens)
    except asyncio.CancelledError:
        call.finish("closed_by_client")
        raise
    except ConnectionResetError:
        call.finish("closed_by_client")
        return web.Response()
    except DroppedError as dropped:
        call.finish("faulted")
        return dropped.response
    call.finish("complete" if response.status < 400 and not rule.html else "faulted")
    return response


def record(book: Book, request: web.Request, body: dict[str, Any]) -> Call:
    """Write the call down."""
    call = Call(
        number=len(book.calls) + 1,
        path=request.path,
        authorization=request.headers.get("Authorization", ""),
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        messages=body.get("messages", []),
    )
    book.calls.append(call)
    return call


async def respond(
    request: web.Request, rule: Rule, call: Call, tokens: list[str]
) -> web.StreamResponse:
    """Send what the rule says: an error, HTML, a whole answer or a stream."""
    dialect = dialect_of(request, call.number, call.model)
    if request.path.startswith(ZHIPU) and not call.authorization.startswith("Bearer "):
        return web.json_response(dialect.error(401, "No credential."), status=401)
    if rule.status >= 400:
        return refusal(dialect, rule, call)
    if rule.html:
        return web.Response(
            text="<html><body>Welcome to the captive portal</body></html>", content_type="text/html"
        )
    usage = Usage(sum(count_tokens(str(m.get("content", ""))) for m in call.messages), len(tokens))
    if call.stream:
        return await Streamed(request, rule, call, dialect).send(tokens, usage)
    return await whole(rule, call, dialect, usage)


async def whole(rule: Rule, call: Call, dialect: Dialect, usage: Usage) -> web.Response:
    """Answer a call that does not stream."""
    if rule.hang_at is not None:
        await wait_for_ever()
    await asyncio.sleep((rule.first_token_ms or 0) / 1000)
    call.sent = call.answer
    return web.json_response(dialect.whole(call.answer, usage))


def refusal(dialect: Dialect, rule: Rule, call: Call) -> web.Response:
    """Return the error of the rule, with the caller's key in it when asked for."""
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    echo = f" Your key was {call.authorization.removeprefix('Bearer ')}." if rule.echo_key else ""
    body = dialect.error(rule.status, f"Refused with {rule.status}.{echo}")
    return web.json_response(body, status=rule.status, headers=headers)


async def embeddings(request: web.Request) -> web.Response:
    """Answer `embeddings`: at most 64 inputs a call, as the real server."""
    body = await request.json()
    book = request.app[BOOK]
    given = body.get("input", [])
    inputs = [given] if isinstance(given, str) else list(given)
    book.embedding_calls.append({"path": request.path, "count": len(inputs), "inputs": inputs})
    dialect = dialect_of(request, 0, str(body.get("model", "")))
    rule = book.take(inputs[0] if inputs else "")
    if rule.status >= 400:
        return web.json_response(dialect.error(rule.status, "Refused."), status=rule.status)
    if not inputs or len(inputs) > MAX_INPUTS:
        return web.json_response(
            dialect.error(400, f"1 to {MAX_INPUTS} inputs, not {len(inputs)}"), status=400
        )
    dimensions = int(body.get("dimensions") or 2048)
    data = [
        {"object": "embedding", "index": index, "embedding": embedding(text, dimensions)}
        for index, text in enumerate(inputs)
    ]
    tokens = sum(count_tokens(text) for text in inputs)
    usage = Usage(tokens, 0).as_json()
    return web.json_response(
        {"object": "list", "model": dialect.model, "data": data, "usage": usage}
    )


async def rerank(request: web.Request) -> web.Response:
    """Answer `rerank`, best first: the more characters a document shares with the query."""
    body = await request.json()
    book = request.app[BOOK]
    query, documents = str(body["query"]), list(body["documents"])
    book.rerank_calls.append({"path": request.path} | body)
    rule = book.take(query)
    if rule.hang_at is not None:
        await wait_for_ever()
    if rule.status >= 400:
        dialect = dialect_of(request, 0, str(body.get("model", "")))
        return web.json_response(dialect.error(rule.status, "Refused."), status=rule.status)
    if rule.html:
        return web.Response(text="<html></html>", content_type="text/html")
    results = [
        {"index": index, "relevance_score": shared_characters(query, text)}
        for index, text in enumerate(documents)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    return web.json_response({"results": results[: body.get("top_n")]})


async def models(_request: web.Request) -> web.Response:
    """Answer `models`."""
    data = [
        {"id": name, "object": "model", "owned_by": "fake"}
        for name in ("glm-4-plus", "embedding-3")
    ]
    return web.json_response({"object": "list", "data": data})


async def add_rules(request: web.Request) -> web.Response:
    """Add rules: one object or a list; the newest that fits a call wins."""
    body = await request.json()
    try:
        rules = [Rule.from_json(item) for item in (body if isinstance(body, list) else [body])]
    except (TypeError, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)
    request.app[BOOK].rules.extend(rules)
    return web.json_response({"rules": len(request.app[BOOK].rules)})


async def recorded(request: web.Request) -> web.Response:
    """Return every call since the last clearing."""
    book = request.app[BOOK]
    return web.json_response(
        {
            "calls": [call.as_json() for call in book.calls],
            "embeddings": book.embedding_calls,
            "reranks": book.rerank_calls,
        }
    )


async def clear(request: web.Request) -> web.Response:
    """Forget rules and records."""
    request.app[BOOK].clear()
    return web.json_response({})


def application(default: Rule) -> web.Application:
    """Return the server's application; `default` treats the calls that no rule matches."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app[BOOK] = Book(default)
    for root in (ZHIPU, OPENAI):
        app.router.add_post(f"{root}/chat/completions", chat)
        app.router.add_post(f"{root}/embeddings", embeddings)
        app.router.add_post(f"{root}/rerank", rerank)
        app.router.add_get(f"{root}/models", models)
    app.router.add_post("/control", add_rules)
    app.router.add_delete("/control", clear)
    app.router.add_get("/control/prompts", recorded)
    return app


async def serve(port: int, default: Rule) -> None:
    """Serve on 127.0.0.1 until cancelled; a client that leaves cancels its handler."""
    runner = web.AppRunner(
        application(default), handler_cancellation=True, access_log=None, shutdown_timeout=0.2
    )
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    await web.SockSite(runner, listener).start()
    print(f"fake GLM on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
