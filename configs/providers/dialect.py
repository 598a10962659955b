"""The chat-completions dialect that Zhipu's v4 and every OpenAI-compatible server speak."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from configs.errors import ProviderError, ProviderInterrupted, ProviderRejected
from configs.providers import failures
from configs.providers.base import Delta, Endpoint, Turn, Usage
from configs.providers.sse import EventParser
from configs.providers.tokens import estimate_usage

FILTERED = frozenset({"sensitive", "content_filter"})
BROKEN = frozenset({"network_error"})


def request_body(endpoint: Endpoint, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the body of a streaming call."""
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    return {
        **endpoint.parameters,
        "model": endpoint.model,
        "messages": messages,
        "stream": True,
    }


class ReplyReader:
    """Turns the bytes of one streamed reply into deltas."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._parser = EventParser()
        self._texts: list[str] = []
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._done = False

    def feed(self, received: bytes) -> Iterator[Delta]:
        """Yield the text that arrived, as one delta however many events held it.

        Raises:
            ProviderError: the provider reports an error, filters the reply, or sends nonsense.
        """
        return self._merge(self._parser.feed(received))

    def close(self) -> Iterator[Delta]:
        """Yield what is left and the last delta, with usage and the reason of the end.

        Raises:
            ProviderInterrupted: the stream ended before the reply did.
        """
        yield from self._merge(self._parser.finish())
        if self._finish is None and not self._done:
            raise ProviderInterrupted
        usage = self._usage or estimate_usage(self._turns, "".join(self._texts))
        yield Delta(usage=usage, finish_reason=self._finish or "stop")

    def _merge(self, events: list[bytes]) -> Iterator[Delta]:
        pieces: list[str] = []
        failure: ProviderError | None = None
        try:
            for event in events:
                pieces.append(self._text_of(event))  # noqa: PERF401  # keeps what came before an error
        except ProviderError as error:
            failure = error
        if text := "".join(pieces):
            self._texts.append(text)
            yield Delta(text=text)
        if failure is not None:
            raise failure

    def _text_of(self, event: bytes) -> str:
        if event == b"[DONE]":
            self._done = True
            return ""
        try:
            chunk = json.loads(event)
        except ValueError:
            raise ProviderInterrupted from None
        if not isinstance(chunk, Mapping):
            raise ProviderInterrupted
        if chunk.get("error"):
            raise failures.broke_off(chunk)
        self._note_usage(chunk.get("usage"))
        return self._note_choice(chunk.get("choices"))

    def _note_usage(self, usage: object) -> None:
        if isinstance(usage, Mapping):
            counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if isinstance(counts[0], int) and isinstance(counts[1], int):
                self._usage = Usage(counts[0], counts[1])

    def _note_choice(self, choices: object) -> str:
        if not (isinstance(choices, list) and choices and isinstance(choices[0], Mapping)):
            return ""
        finish = choices[0].get("finish_reason")
        if finish in FILTERED:
            raise ProviderRejected
        if finish in BROKEN:
            raise ProviderInterrupted
        self._finish = str(finish) if finish else self._finish
        delta = choices[0].get("delta")
        content = delta.get("content") if isinstance(delta, Mapping) else None
        return content if isinstance(content, str) else ""
