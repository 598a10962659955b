"""The built-in embedder: prefixes, centring, threads, and what happens without AVX2."""

import threading

import numpy as np
import pytest

from configs.providers import local
from configs.providers.base import Endpoint
from configs.providers.local import LocalEmbedder, centred, is_chinese, language_means
from configs.providers.vectors import hashed_ngrams


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder(Endpoint("local-e5", "embedding", "local"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("如何重启服务?", True),
        ("How do I restart the service?", False),
        ("重启 PostgreSQL", True),
        ("PostgreSQL connection pool exhausted 了", False),
        ("12345 !?", False),
        ("", False),
    ],
)
def test_is_chinese__fifteen_percent__decides(text, expected):
    assert is_chinese(text) is expected


def test_embedder__chinese_and_english__find_each_other(embedder):
    passages = [
        "年假需要提前两周在系统中申请，由直属主管批准。",
        "Expenses are reimbursed within ten working days after the receipt was handed in.",
        "服务器机房的门禁卡由行政部发放。",
        "The cafeteria is open from eleven to two.",
    ]
    vectors = embedder.embed_passages(passages)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for question, best in [
        ("怎么请年假?", 0),
        ("How do I apply for annual leave?", 0),
        ("When are expenses reimbursed?", 1),
        ("Who gives out the access card of the server room?", 2),
    ]:
        query = embedder.embed_query(question)
        assert query.shape == (384,)
        assert int(np.argmax(vectors @ query)) == best, question


def test_embedder__no_texts_nul_and_empty__are_no_trouble(embedder):
    assert embedder.embed_passages([]).shape == (0, 384)
    with_nul, plain, empty = embedder.embed_passages(["年假\0申请", "年假 申请", ""])
    assert np.allclose(with_nul, plain, atol=1e-6)
    assert np.isfinite(empty).all()


def test_embedder__many_threads__agree_with_one(embedder):
    texts = [f"第 {n} 条规定: 费用报销" for n in range(4)]
    alone = [embedder.embed_query(text) for text in texts]
    together: dict[str, np.ndarray] = {}

    def embed(text: str) -> None:
        together[text] = embedder.embed_query(text)

    threads = [threading.Thread(target=embed, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text, vector in zip(texts, alone, strict=True):
        assert np.allclose(together[text], vector, atol=1e-5)


def test_centred__constant_offset__is_halved_away():
    mean = language_means()["query_zh"]
    (vector,) = centred(np.array([mean]), ["如何"], "query")
    assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    assert not np.allclose(centred(np.ones((1, 384)), ["x"], "query"), 1 / np.sqrt(384), atol=1e-3)


def test_embedder__processor_without_avx2__hashes_with_a_warning(monkeypatch, caplog, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu sse4_2 avx\n")
    monkeypatch.setattr(local, "Path", lambda _: cpuinfo)
    local._load.cache_clear()
    try:
        embedder = LocalEmbedder(Endpoint("local-e5", "embedding", "local"))
        vectors = embedder.embed_passages(["年假申请", "费用报销"])
        assert np.allclose(vectors, hashed_ngrams(["年假申请", "费用报销"], 384))
        assert int(np.argmax(vectors @ embedder.embed_query("报销的费用"))) == 1
        assert caplog.text.count("AVX2") == 1
    finally:
        local._load.cache_clear()
