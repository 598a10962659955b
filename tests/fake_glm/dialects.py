"""The two wire formats: Zhipu's v4 and OpenAI's, as bytes of Server-Sent Events and as JSON."""

import json
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens in and out."""

    prompt: int
    completion: int

    def as_json(self) -> dict[str, int]:
        """Return the field `usage` of an answer."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        }


def event(payload: dict[str, Any] | str) -> bytes:
    """Return one Server-Sent Event."""
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


class Dialect:
    """Zhipu's v4 as GLM sends it: usage rides in the last chunk, beside the finish reason."""

    def __init__(self, call: int, model: str) -> None:
        self.id = f"20261122{call:010d}fake"
        self.created = int(time.time())
        self.model = model

    def chunk(self, text: str) -> bytes:
        """Return one piece of the text."""
        return event(self._frame([{"index": 0, "delta": {"role": "assistant", "content": text}}]))

    def last(self, usage: Usage) -> bytes:
        """Return the end of the stream, without `[DONE]`."""
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "delta": {"role": "assistant", "content": ""},
        }
        return event(self._frame([choice]) | {"usage": usage.as_json()})

    def whole(self, text: str, usage: Usage) -> dict[str, Any]:
        """Return the answer of a call that does not stream."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return self._frame([choice]) | {"usage": usage.as_json(), "request_id": self.id}

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return an error object."""
        codes = {401: "1001", 429: "1302", 400: "1210"}
        return {"error": {"code": codes.get(status, "500"), "message": message}}

    def _frame(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self.id, "created": self.created, "model": self.model, "choices": choices}


class OpenAIDialect(Dialect):
    """OpenAI's: the finish reason and the usage come in two chunks, the second without choices."""

    def last(self, usage: Usage) -> bytes:
        """Return the end of the stream, without `[DONE]`."""
        finish = event(self._frame([{"index": 0, "finish_reason": "stop", "delta": {}}]))
        return finish + event(self._frame([]) | {"usage": usage.as_json()})

    def whole(self, text: str, usage: Usage) -> dict[str, Any]:
        """Return the answer of a call that does not stream."""
        return super().whole(text, usage) | {"object": "chat.completion"}

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return an error object."""
        return {"error": {"message": message, "type": "server_error", "code": status}}

    def _frame(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return super()._frame(choices) | {"object": "chat.completion.chunk"}
