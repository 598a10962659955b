"""The built-in answerer: what it quotes, in which language, and that it is honest."""

import asyncio
import re
import time

import pytest

from configs import providers
from configs.providers import Endpoint, Source, Turn
from configs.providers.extractive import PIECE, composed
from configs.providers.sentences import sentences

LEAVE = Source(
    1,
    "员工入职满一年后享有十天年假。\n申请年假需要提前两周在人事系统中提交，由直属主管批准。病假需要医院证明！",
    "手册.md",
    "休假",
)
TRAVEL = Source(
    2,
    "# Travel\n\nTrips abroad need the consent of the head of department. "
    "Receipts are handed in\nwithin 30 days. To be reimbursed you need:\n\n- the receipts\n"
    "- the form F-17\n- a signature\n\n"
    "Nothing else is asked for.",
    "travel.md",
    "Travel",
)
LOCAL = Endpoint("local-extractive", "chat", "local")


def answer(question: str, *sources: Source, stands_in: bool = False) -> str:
    return "".join(composed(question, sources, stands_in=stands_in))


def test_composed__chinese_question__quotes_the_sentence_in_chinese():
    text = answer("年假怎么申请？", LEAVE, TRAVEL)
    quotes = re.findall(r"^- (.+)$", text, re.MULTILINE)
    assert quotes[0] == "申请年假需要提前两周在人事系统中提交，由直属主管批准。 [1]"
    assert "[2]" not in text
    assert "尚未配置语言模型" in text
    assert "ZHIPUAI_API_KEY" in text
    assert "模型端点" in text


def test_composed__english_question__quotes_in_english_with_the_list():
    text = answer("What do I need to be reimbursed?", LEAVE, TRAVEL)
    assert "- To be reimbursed you need: [2]\n  - the receipts [2]\n  - the form F-17 [2]" in text
    assert "Nothing else" not in text
    assert "No language model is configured" in text
    assert "Model endpoints" in text


def test_composed__wrapped_lines__are_joined():
    texts = [sentence.text for sentence in sentences(TRAVEL)]
    assert "Receipts are handed in within 30 days." in texts
    assert not any(text.startswith("#") or text == "Travel" for text in texts)


def test_composed__titles_inside_a_passage__lead_to_their_sentences_and_are_not_quoted():
    passage = "忘记密码怎么办？\n\n管理员可以重新生成邀请链接。\n\n修改密码\n\n打开菜单即可。"
    text = answer("忘记密码怎么办？", Source(1, passage))
    assert "- 管理员可以重新生成邀请链接。 [1]" in text
    assert "- 忘记密码怎么办" not in text
    assert "- 修改密码" not in text


def test_composed__heading_holds_the_words__its_sentences_are_quoted():
    source = Source(1, "Open the admin and add an endpoint.", heading="Use your own machine")
    other = Source(2, "Nobody is obliged to eat in the cafeteria.", heading="Food")
    text = answer("How can I use my own machine?", source, other)
    assert "- Open the admin and add an endpoint. [1]" in text
    assert "cafeteria" not in text


def test_composed__other_language__finds_by_meaning():
    text = answer("How do I apply for annual leave?", LEAVE)
    assert "No sentence in your documents answers this directly" in text
    assert "年假" in text.split("- ")[1]


@pytest.mark.parametrize(
    ("question", "said"), [("今天的天气？", "没有找到"), ("And the weather?", "Nothing about this")]
)
def test_composed__no_passages__says_so(question, said):
    text = answer(question)
    assert said in text
    assert not re.search(r"\[\d+\]", text)


def test_composed__standing_in__does_not_claim_that_nothing_is_configured():
    text = answer("年假怎么申请？", LEAVE, stands_in=True)
    assert "暂时无法使用" in text
    assert "尚未配置" not in text


@pytest.mark.parametrize(
    "content", ["", "\0\n", "|||\n|-|-|", "#", "```\n```", "?" * 5000, "年" * 9000]
)
def test_composed__odd_passages__never_fail(content):
    assert answer("什么是年假？ What?", Source(1, content)).strip()
    assert len(answer("年", Source(1, content))) < 3000


def test_piece__any_text__is_cut_without_loss():
    text = f"{LEAVE.text}\n\n{TRAVEL.text} \t  \x01 😀é \u3000x\n"
    assert "".join(PIECE.findall(text)) == text
    assert max(len(piece) for piece in PIECE.findall(text)) < 20


async def test_stream__answer__comes_in_pieces_and_leaves_the_loop_free():
    turns = [
        Turn("system", "…"),
        Turn("user", "Old question"),
        Turn("assistant", "Old answer"),
        Turn("user", "年假怎么申请？", (LEAVE, TRAVEL)),
    ]
    late: list[float] = []

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            late.append(time.monotonic() - before - 0.01)

    watcher = asyncio.create_task(watch())
    deltas = [delta async for delta in providers.stream_chat(turns, endpoints=[LOCAL])]
    watcher.cancel()
    text = "".join(delta.text for delta in deltas)
    assert text == answer("年假怎么申请？", LEAVE, TRAVEL)
    assert len(deltas) > 20
    assert deltas[0].endpoint == LOCAL
    assert deltas[-1].finish_reason == "stop"
    assert not deltas[-1].usage.exact
    assert max(late) < 0.5
