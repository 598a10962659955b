"""Compose what is sent to a model; pure: no database, clock or network."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import dropwhile
from typing import Final

from configs import prompts as templates
from configs.providers.base import Role, Source, Turn
from configs.providers.tokens import estimate_tokens

_DELIMITER: Final = re.compile(r"<(?=/?\s*passages?\b)", re.IGNORECASE)
"""Kept free for the reply in a model's context."""
TITLE_CHARACTERS: Final = 60
_TITLE_EDGES: Final = " \t\r\n\"'“”‘’《》「」#*。.:：,，!！"


@dataclass(frozen=True, slots=True)
class Said:
    """An earlier message of the conversation."""

    role: Role
    content: str


def chosen(sources: Iterable[Source], *, tokens: int) -> tuple[Source, ...]:
    """Return the first of `sources` that fit into `tokens` together, but at least one."""
    kept: list[Source] = []
    for source in sources:
        tokens -= estimate_tokens(source.text)
        if tokens < 0 and kept:
            break
        kept.append(source)
    return tuple(kept)


def passages_block(sources: Iterable[Source]) -> str:
    """Return the passages, delimited and numbered; no text can close or fake the delimiters."""
    lines = ["<passages>"]
    for source in sources:
        section = f' section="{escape(source.heading)}"' if source.heading else ""
        lines.append(
            f'<passage number="{source.number}" document="{escape(source.title)}"{section}>'
        )
        lines.append(_DELIMITER.sub("&lt;", source.text))
        lines.append("</passage>")
    return "\n".join([*lines, "</passages>"])


def recent(history: Sequence[Said], *, tokens: int) -> list[Said]:
    """Return the newest messages that fit into `tokens`, oldest first, beginning with a question.

    Questions whose reply has no text are left out, so that the roles take turns.
    """
    kept: list[Said] = []
    for said in reversed(_answered(history)):
        tokens -= estimate_tokens(said.content)
        if tokens < 0:
            break
        kept.insert(0, said)
    return list(dropwhile(lambda said: said.role != "user", kept))


def _answered(history: Sequence[Said]) -> list[Said]:
    kept: list[Said] = []
    for said in history:
        if not said.content.strip() and kept and kept[-1].role == "user":
            kept.pop()
        elif said.content.strip():
            kept.append(said)
    return kept


def build(
    template: str,
    *,
    values: dict[str, str],
    sources: Sequence[Source],
    history: Sequence[Said],
    question: str,
    context_tokens: int,
) -> tuple[Turn, ...]:
    """Return the turns: instructions with the passages, earlier messages, the question.

    `values` fill the template's placeholders but `{passages}`. `history` is cut once more where
    `context_tokens`, the model's context less what the reply may take, would not hold it.
    """
    system = templates.render(template, **values, passages=passages_block(sources))
    used = estimate_tokens(system) + estimate_tokens(question)
    said = recent(history, tokens=max(0, context_tokens - used))
    return (
        Turn("system", system, tuple(sources)),
        *(Turn(one.role, one.content) for one in said),
        Turn("user", question, tuple(sources)),
    )


def fingerprint(turns: Sequence[Turn]) -> str:
    """Return the SHA-256 of what the turns say, and who says it, as hexadecimal digits."""
    said = json.dumps([[turn.role, turn.content] for turn in turns], ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def last_turns(history: Sequence[Said], *, count: int) -> list[Said]:
    """Return the last `count` messages that can stand in a prompt: how `recent` cut it then."""
    answered = _answered(history)
    return answered[len(answered) - count :] if count else []


def first_words(question: str) -> str:
    """Return the beginning of a question, as a title."""
    line = next((line for line in question.splitlines() if line.strip()), "")
    words = " ".join(line.split()).strip(_TITLE_EDGES)
    if len(words) <= TITLE_CHARACTERS:
        return words
    cut = words[:TITLE_CHARACTERS]
    return f"{cut.rpartition(' ')[0] if ' ' in cut[TITLE_CHARACTERS // 2 :] else cut}…"


def clean_title(text: str) -> str:
    """Return what a model said as a title: one short line without quotes and marks."""
    return first_words(text.replace("\0", ""))
