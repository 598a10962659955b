"""Terms: what a question and a passage must agree on to find each other."""

import string
import time

import pytest
from django.db import connection

from knowledge import segmentation
from knowledge.models import TERM_SPACE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("数据库连接", ["数据", "据库", "库连", "连接"]),
        ("資料庫連接", ["资料", "料库", "库连", "连接"]),
        ("税", ["税"]),
        ("Running users' connections", ["run", "user", "connect"]),
        ("用GLM-4-plus提问", ["用", "glm-4-plus", "glm", "4", "plus", "提问"]),
        ("QuerySet.select_related()", ["queryset.select_related", "queryset", "select", "relat"]),
        ("ＡＢＣ１２３", ["abc123"]),
        ("v3.14.2", ["v3.14.2", "v3", "14", "2"]),
        ("C++, C# and C", ["c++", "c", "c#", "c", "c"]),
        ("the of and 的 什么", []),
        ("", []),
        ("!?…—「」", []),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("한국어", ["한국", "국어"]),
        ("Straße ÉTÉ", ["strass", "été"]),
    ],
)
def test_terms__kinds_of_text__are_cut_as_documented(text: str, found: list[str]) -> None:
    assert segmentation.terms(text) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("網路連線逾時", "网路连线逾时"),
        ("Connection", "connections"),
        ("ERR-2041", "err-2041"),
        ("ﬁle", "file"),
        ("臺灣", "台湾"),
    ],
)
def test_terms__same_word_in_another_form__is_the_same_term(one: str, other: str) -> None:
    assert segmentation.terms(one) == segmentation.terms(other) != []


def test_terms__any_input__leaves_only_letters_digits_and_joints() -> None:
    text = "".join(map(chr, range(0x3000))) + string.punctuation * 3 + "\ud800\x00a'b\\c|d&e!f:*g"
    for term in segmentation.terms(text):
        assert 0 < len(term) <= segmentation.LONGEST_TERM
        assert not set(term) & set("'\"\\|&!:*()<>\x00 ")


@pytest.mark.django_db
def test_lexemes__any_term__passes_through_the_database_unchanged() -> None:
    text = "a.b-c_d+e# 数据库 it's 'quoted' \\ | & ! C++ 3.14"
    found = [*segmentation.terms(text), "o'r", "b\\s"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tsvector_to_array(array_to_tsvector(%s)), "
            "array_to_tsvector(%s) @@ %s::tsquery, numnode(%s::tsquery)",
            [segmentation.lexemes(found)] * 2 + [segmentation.either(found)] * 2,
        )
        stored, matches, nodes = cursor.fetchone()
    lexemes = segmentation.lexemes(found)
    assert sorted(stored) == lexemes
    assert matches
    assert nodes == 2 * len(lexemes) - 1


def test_either__no_terms__is_empty() -> None:
    assert segmentation.either([]) == ""


def test_term_id__is_stable_and_in_range() -> None:
    assert segmentation.term_id("数据") == 31_544_954
    ids = {segmentation.term_id(str(n)) for n in range(20_000)}
    assert len(ids) > 19_990
    assert all(0 <= number < TERM_SPACE for number in ids)


def test_weights__follow_bm25() -> None:
    vector = segmentation.weights(["甲乙", "甲乙", "丙丁"], average_terms=3)
    by_id = dict(zip(vector.indices(), vector.values(), strict=True))
    assert by_id[segmentation.term_id("甲乙")] == pytest.approx(2 * 2.2 / (2 + 1.2))
    assert by_id[segmentation.term_id("丙丁")] == pytest.approx(2.2 / 2.2)
    longer = segmentation.weights(["甲乙"] + ["丙丁"] * 50, average_terms=3)
    assert min(longer.values()) < 0.2


def test_weights__more_terms_than_a_vector_holds__keeps_the_heaviest() -> None:
    words = [f"w{n}" for n in range(20_000)] + ["often"] * 9
    vector = segmentation.weights(words, average_terms=100)
    assert len(vector.indices()) <= 16_000
    assert segmentation.term_id("often") in vector.indices()


def test_weights__no_terms__is_an_empty_vector() -> None:
    assert segmentation.weights([], average_terms=0).indices() == []


@pytest.mark.parametrize(
    "text", ["天地" * 5000, "a.b-" * 2500, "x" * 10_000, "the " * 2500, "１" * 10_000]
)
def test_terms__ten_thousand_characters__take_a_moment(text: str) -> None:
    began = time.perf_counter()
    segmentation.weights(segmentation.terms(text), 100)
    assert time.perf_counter() - began < 0.3
