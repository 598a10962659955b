"""The built-in answerer: it invents nothing, and quotes the passages that fit the question."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from configs.providers.base import Delta, Endpoint, Source, Turn
from configs.providers.local import LocalEmbedder, is_chinese
from configs.providers.sentences import Sentence, chosen, ranked, sentences, with_items
from configs.providers.tokens import estimate_usage

MOST_SENTENCES = 5
WORDS_SUFFICE = 0.34
NEAREST = 3
COMPARED = 8
PIECE_SECONDS = 0.01
PIECE = re.compile(r"\s*(?:[\x21-\x7e]{1,12}|[^\x00-\x7f]{1,3})|\s+|.", re.DOTALL)

_embedder = LocalEmbedder(Endpoint(name="extractive", kind="embedding", provider="local"))


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the answerer says itself.

    It speaks the language of the question and not that of the screen, so these phrases do not
    stand in the catalogues of the interface.
    """

    found: str
    nearest: str
    nothing: str
    not_configured: str
    stands_in: str


PHRASES = {
    "zh": Phrases(
        found="资料中与您的问题最相关的内容如下：",
        nearest="资料中没有直接回答这个问题的语句，最接近的内容如下：",
        nothing="在您可以查阅的资料中，没有找到与这个问题有关的内容。",
        not_configured=(
            "尚未配置语言模型，以上由内置的摘录式应答给出，只引用原文，不作改写。"
            "要得到完整的回答，请设置环境变量 `ZHIPUAI_API_KEY`，"
            "或请管理员在“管理后台 → 模型端点”中添加模型。"
        ),
        stands_in=(
            "语言模型暂时无法使用，以上由内置的摘录式应答给出，只引用原文，不作改写。"
            "请稍后重新生成。"
        ),
    ),
    "en": Phrases(
        found="This is what your documents say about it:",
        nearest="No sentence in your documents answers this directly. The closest ones are:",
        nothing="Nothing about this was found in the documents that you may read.",
        not_configured=(
            "No language model is configured, so this comes from the built-in answerer, which only "
            "quotes. For full answers set the environment variable `ZHIPUAI_API_KEY`, or have an "
            "administrator add a model under Admin → Model endpoints."
        ),
        stands_in=(
            "The language model cannot be reached at the moment, so this comes from the built-in "
            "answerer, which only quotes. Regenerate the reply in a while."
        ),
    ),
}  # fmt: skip


class ExtractiveChat:
    """Answers from `Turn.sources` of the last question."""

    def __init__(self, endpoint: Endpoint, *, stands_in: bool = False) -> None:
        self.endpoint = endpoint
        self._stands_in = stands_in

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[Delta]:
        """Yield the reply; see `ChatModel.stream`."""
        question = next((turn for turn in reversed(turns) if turn.role == "user"), Turn("user", ""))
        parts = composed(question.content, question.sources, stands_in=self._stands_in)
        said: list[str] = []
        while part := await asyncio.to_thread(next, parts, ""):  # comparing meanings takes a while
            said.append(part)
            for piece in PIECE.findall(part):
                yield Delta(text=piece)
                await asyncio.sleep(PIECE_SECONDS)
        yield Delta(usage=estimate_usage(turns, "".join(said)), finish_reason="stop")


def composed(question: str, sources: Sequence[Source], *, stands_in: bool = False) -> Iterator[str]:
    """Yield the parts of the answer as Markdown, in the question's language.

    Each quote ends with the `[number]` of its source; the last part says who answers and why.
    """
    phrases = PHRASES["zh" if is_chinese(question) else "en"]
    all_ = [sentence for source in sources for sentence in sentences(source)]
    scored = ranked(question, all_)
    if not scored:
        yield phrases.nothing
    elif scored[0][0] >= WORDS_SUFFICE:
        yield f"{phrases.found}\n\n"
        yield _quoted(with_items(chosen(scored, limit=MOST_SENTENCES), all_))
    else:
        yield f"{phrases.nearest}\n\n"
        yield _quoted(with_items(_nearest(question, scored), all_))
    notice = phrases.stands_in if stands_in else phrases.not_configured
    yield f"\n\n---\n\n*{notice}*"


def _quoted(quotes: Sequence[Sentence]) -> str:
    return "\n".join(
        f"{_indent(quotes, at)}- {each.text} [{each.number}]" for at, each in enumerate(quotes)
    )


def _indent(quotes: Sequence[Sentence], at: int) -> str:
    """Return the indent of an item whose list's introduction is quoted before it."""
    item = quotes[at]
    before = [each for each in quotes[:at] if each.number == item.number and not each.is_item]
    return "  " if item.is_item and before and before[-1].text.endswith((":", "：")) else ""


def _nearest(question: str, scored: Sequence[tuple[float, Sentence]]) -> list[Sentence]:
    """Return the sentences nearest in meaning: the words differ, or the language does."""
    first_ones = sorted((sentence for _, sentence in scored), key=lambda s: (s.position, s.number))
    by_words = [sentence for score, sentence in scored[: COMPARED // 2] if score > 0]
    candidates = list(dict.fromkeys([*by_words, *first_ones]))[:COMPARED]
    vectors = _embedder.embed_passages([sentence.text for sentence in candidates])
    order = np.argsort(-(vectors @ _embedder.embed_query(question)))
    return [candidates[int(at)] for at in order[:NEAREST]]
