"""Passages are exact cuts of the text, complete, in order, and not too long."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunking import chunk, estimate_tokens
from knowledge.parsing.builder import Builder
from knowledge.parsing.plain import markdown
from knowledge.protocol import ParseError

WORDS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"]) | st.sampled_from("。！？.!? \n的一是在了不"),
    min_size=1,
    max_size=400,
)
BLOCKS = st.lists(
    st.one_of(
        st.tuples(st.just("heading"), WORDS, st.integers(1, 6)),
        st.tuples(st.just("paragraph"), WORDS, st.just(0)),
        st.tuples(st.just("code"), WORDS, st.just(0)),
        st.tuples(st.just("row"), st.lists(WORDS, min_size=1, max_size=5), st.just(0)),
    ),
    max_size=20,
)


def document(blocks):
    builder = Builder()
    for kind, content, level in blocks:
        if kind == "heading":
            builder.heading(content, level)
        else:
            getattr(builder, kind)(content)
    return builder.parsed()


def cut(parsed, tokens=256, overlap=32):
    return list(chunk(parsed.text, parsed.blocks, max_tokens=tokens, overlap_tokens=overlap))


@settings(max_examples=150, deadline=None)
@given(BLOCKS, st.integers(16, 256), st.integers(0, 15))
def test_chunks__of_any_document__are_exact_complete_and_bounded(blocks, tokens, overlap):
    try:
        parsed = document(blocks)
    except ParseError:
        return
    pieces = cut(parsed, tokens, overlap)
    assert [piece.ordinal for piece in pieces] == list(range(len(pieces)))
    covered = set()
    for piece in pieces:
        assert piece.text == parsed.text[piece.start : piece.end]
        assert piece.text == piece.text.strip() != ""
        assert len(piece.heading_path) <= 500
        covered.update(range(piece.start, piece.end))
    lost = [c for at, c in enumerate(parsed.text) if at not in covered and not c.isspace()]
    assert not lost
    starts = [piece.start for piece in pieces]
    assert starts == sorted(set(starts))
    assert pieces == cut(parsed, tokens, overlap)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("的一是在了不。，abc xyz. "), min_size=1, max_size=3000))
def test_chunks__of_prose__stay_within_the_limit(text):
    try:
        parsed = document([("paragraph", text, 0)])
    except ParseError:
        return
    assert all(estimate_tokens(piece.text) <= 64.01 for piece in cut(parsed, 64, 8))


def test_estimate__matches_the_rule_of_thumb():
    assert estimate_tokens("汉" * 400) == pytest.approx(256)
    assert 150 < estimate_tokens("The annual leave of an employee is fifteen days. " * 20) < 260


def test_sentences__are_not_cut_and_overlap():
    parsed = document([("paragraph", "".join(f"第{n}句说明年假的规定。" for n in range(80)), 0)])
    pieces = cut(parsed)
    assert len(pieces) > 2
    assert all(piece.text.endswith("。") for piece in pieces)
    for before, after in pairwise(pieces):
        assert before.end > after.start
        assert estimate_tokens(parsed.text[after.start : before.end]) <= 32


def test_headings__make_the_path_and_part_the_passages():
    body = "这里有足够多的文字来说明这个主题的内容和规定。" * 4
    parsed = markdown(
        f"# 手册\n{body}\n## 假期\n{body}\n### 年假\n{body}\n## 工资\n{body}".encode()
    ).parsed()
    assert [piece.heading_path for piece in cut(parsed)] == [
        "手册",
        "手册 > 假期",
        "手册 > 假期 > 年假",
        "手册 > 工资",
    ]


def test_rows__stay_whole():
    parsed = document([("row", [f"产品{n}", "说明" * 12, str(n)], 0) for n in range(60)])
    rows = {block.text for block in parsed.blocks}
    for piece in cut(parsed):
        assert set(piece.text.split("\n")) <= rows


def test_long_word__is_cut_between_characters_that_are_drawn_apart():
    parsed = document([("paragraph", "e\u0301" * 3000, 0)])
    pieces = cut(parsed, 64, 0)
    assert len(pieces) > 3
    assert all(piece.text[0] == "e" for piece in pieces)


def test_page__is_that_of_the_first_character():
    builder = Builder()
    builder.paragraph("第一页的文字。" * 60, page=1)
    builder.paragraph("第二页的文字。" * 60, page=2)
    pieces = cut(builder.parsed())
    assert pieces[0].page == 1
    assert pieces[-1].page == 2
