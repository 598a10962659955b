"""How the vectors' leg holds behind filters: recall, time and the crossing of its two ways.

The rows are synthetic: clusters in 64 dimensions, turned into 1,024, with words of a skewed
frequency. Bases hold 88.9, 10, 1 and 0.1 % of them; all four together are the whole.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.environment import about, database_seconds, percentile, save
from benchmarks.ingest import _stack

DIMENSIONS = 1024
LATENT = 64
CLUSTERS = 500
SHARES = {"88.9 %": 0.889, "10 %": 0.1, "1 %": 0.01, "0.1 %": 0.001}
WHOLE = "100 %"
WORDS = 20_000
WORDS_A_PASSAGE = 40
BATCH = 2_000
TOP = 10
console = Console()


@dataclass(frozen=True, slots=True)
class World:
    """Where synthetic vectors and words come from."""

    dice: np.random.Generator
    centres: Any
    turn: Any

    @classmethod
    def of(cls, seed: int) -> "World":
        """Return a world that is the same for the same seed."""
        dice = np.random.default_rng(seed)
        return cls(
            dice,
            dice.normal(size=(CLUSTERS, LATENT)).astype(np.float32),
            dice.normal(size=(LATENT, DIMENSIONS)).astype(np.float32) / np.sqrt(LATENT),
        )

    def vectors(self, count: int) -> Any:
        """Return `(count, 1024)` float32, unit norm."""
        middle = self.centres[self.dice.integers(CLUSTERS, size=count)]
        latent = middle + 0.6 * self.dice.normal(size=middle.shape).astype(np.float32)
        noise = self.dice.normal(size=(count, DIMENSIONS)).astype(np.float32)
        found = latent @ self.turn + 0.05 * noise
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def words(self, count: int) -> list[str]:
        """Return words whose frequency falls as in a language."""
        ranks = (WORDS ** self.dice.random(count)).astype(int)
        return [f"word{rank}" for rank in ranks]


def _fill(world: World, base: Any, rows: int) -> Any:
    """Fill a base; return the vectors as they are stored."""
    from knowledge.models import Document, DocumentVersion

    kept = []
    for at in range(0, rows, BATCH):
        size = min(BATCH, rows - at)
        document = Document.objects.create(base=base, name=f"{at}.txt", status="ready")
        version = DocumentVersion.objects.create(
            document=document, file=f"{at}.txt", content_type="text/plain", size=0, sha256=""
        )
        Document.objects.filter(pk=document.pk).update(current_version=version)
        vectors = world.vectors(size)
        _copy(world, base, version, vectors)
        kept.append(vectors.astype(np.float16).astype(np.float32))
    return np.concatenate(kept)


def _copy(world: World, base: Any, version: Any, vectors: Any) -> None:
    from django.db import transaction

    from knowledge import segmentation
    from knowledge.chunking import Piece
    from knowledge.indexing import copying, passages

    rows = []
    for at, vector in enumerate(vectors):
        text = " ".join(world.words(WORDS_A_PASSAGE))
        found = segmentation.terms(text)
        weights = segmentation.weights(found, 150)
        piece = Piece(at, text, 0, len(text), "", None, 0.0)
        rows.append(copying.Row(piece, False, vector, weights, segmentation.lexemes(found)))
    generation = base.active_generation_id
    with transaction.atomic():
        copying.copy(copying.Place(base.pk, generation, version.document_id, version.pk), rows)
        passages._count(generation, (row.weights.indices() for row in rows), len(rows), sign=1)


@contextmanager
def _built_after() -> Iterator[dict[str, float]]:
    """Load without the index and build it at the end; yields what it took."""
    from django.db import connection

    took: dict[str, float] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef('chunk_embedding_1024'::regclass)")
        definition = cursor.fetchone()[0]
        cursor.execute("DROP INDEX chunk_embedding_1024")
        yield took
        cursor.execute("SET maintenance_work_mem = '2GB'")
        began = time.monotonic()
        cursor.execute(definition)
        took["index_build_seconds"] = round(time.monotonic() - began, 1)
        cursor.execute("SELECT pg_relation_size('chunk_embedding_1024')")
        took["index_mb"] = cursor.fetchone()[0] >> 20
        cursor.execute("VACUUM ANALYZE")


def _load(world: World, rows: int) -> tuple[Any, dict[str, Any], dict[str, Any], dict[str, float]]:
    """Return the person who asks, the bases, their vectors, and what loading took."""
    from accounts.models import User
    from configs import runtime
    from configs.models import ModelEndpoint
    from knowledge import services

    user = User.objects.create_superuser("bench", password=None)
    for row in ModelEndpoint.objects.filter(kind="embedding"):
        row.enabled = False
        row.version += 1
        row.save()
    ModelEndpoint.objects.create(
        name="fake", kind="embedding", provider="fake", parameters={"dimensions": DIMENSIONS}
    )
    runtime.refresh()
    with _built_after() as took:
        began = time.monotonic()
        bases = {s: services.create_base(actor=user, name=f"b {s}", slug=f"b{at}")
                 for at, s in enumerate(SHARES)}  # fmt: skip
        vectors = {s: _fill(world, bases[s], int(rows * part)) for s, part in SHARES.items()}
        took["load_seconds"] = round(time.monotonic() - began, 1)
    return user, bases, vectors, took


@dataclass(frozen=True, slots=True)
class Library:
    """What is searched, and what is known about it."""

    user: Any
    bases: dict[str, Any]
    vectors: dict[str, Any]
    questions: dict[str, Any]

    def ask(self, share: str, mode: Any, way: str, ef_search: int) -> dict[str, Any]:
        """Return recall@10 against all vectors behind the filter, times, and the ways taken."""
        from knowledge import retrieval
        from knowledge.retrieval import searching

        names = list(SHARES) if share == WHOLE else [share]
        rows = np.concatenate([self.vectors[name] for name in names])
        keys = [self.bases[name].pk for name in names]
        before, searching.EXACT_BELOW = searching.EXACT_BELOW, _bound(way, searching.EXACT_BELOW)
        _look_at(self.user, ef_search)
        recalls, times, spent, plans, counts = [], [], [], set(), []
        try:
            for text, vector in self.questions.items():
                began, used = time.perf_counter(), _processor_seconds()
                found = retrieval.retrieve(text, user=self.user, bases=keys, mode=mode, limit=TOP)
                spent.append((_processor_seconds() - used) * 1000)
                times.append((time.perf_counter() - began) * 1000)
                plans.add(found.plan)
                counts.append(len(found.passages))
                if mode == "vector":
                    ids = [passage.chunk_id for passage in found.passages]
                    recalls.append(_recall(rows, vector, ids))
        finally:
            searching.EXACT_BELOW = before
        return {
            "rows": len(rows),
            "plan": "/".join(sorted(plans)),
            "recall_at_10": round(float(np.mean(recalls)), 4) if recalls else None,
            "fewest_hits": min(counts),
            "cpu_p50_ms": round(percentile(spent, 0.5), 2),
            "cpu_p99_ms": round(percentile(spent, 0.99), 2),
            "p50_ms": round(percentile(times, 0.5), 2),
            "p95_ms": round(percentile(times, 0.95), 2),
            "p99_ms": round(percentile(times, 0.99), 2),
        }


def _processor_seconds() -> float:
    """Return what this process and its database connection have used: waiting is not in it."""
    return time.process_time() + database_seconds()


def _bound(way: str, chosen: int) -> int:
    return {"exact": 10**9, "hnsw": 0}.get(way, chosen)


def _look_at(user: Any, ef_search: int) -> None:
    """Set how many rows HNSW looks at, as an operator does."""
    from configs import registry, runtime, services

    if runtime.current().get(registry.RETRIEVAL_EF_SEARCH) != ef_search:
        key = registry.RETRIEVAL_EF_SEARCH.key
        services.change_setting(actor=user, key=key, value=ef_search, reason="benchmark")
        runtime.refresh()


def _recall(rows: Any, vector: Any, found: Sequence[int]) -> float:
    """Return the share of the nearest that are among those found; equally near counts."""
    from django.db import connection

    nearest = np.sort(rows @ vector)[-TOP:]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT embedding::text FROM knowledge_chunk WHERE id = ANY(%s)", [list(found)]
        )
        got = np.array([json.loads(row[0]) for row in cursor.fetchall()], np.float32)
    return float(((got @ vector) >= nearest[0] - 1e-4).mean())


def measure(rows: int, asked: int, folder: Path) -> dict[str, Any]:
    """Return all figures of one size."""
    with _stack(folder):
        from knowledge import embedding

        world = World.of(11)
        user, bases, vectors, took = _load(world, rows)
        console.print(took)
        asks = dict(zip(
            (" ".join(world.words(8)) for _ in range(asked)), world.vectors(asked), strict=True
        ))  # fmt: skip
        setattr(embedding.GenerationEmbedder, "question", lambda _, text: asks[text])  # noqa: B010
        library = Library(user, bases, vectors, asks)
        figures: dict[str, Any] = {"rows": rows} | took
        for share in (WHOLE, *SHARES):
            for mode, way, ef_search in (
                ("vector", "exact", 200), ("vector", "hnsw", 100), ("vector", "hnsw", 200),
                ("vector", "hnsw", 400), ("vector", "chosen", 200), ("hybrid", "chosen", 200),
            ):  # fmt: skip
                name = f"{share}, {mode}, {way}" + (f" {ef_search}" if way == "hnsw" else "")
                figures[name] = library.ask(share, mode, way, ef_search)
                console.print(name, figures[name])
    return figures


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vectors", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[50_000])
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    before = about()
    sizes = {}
    for rows in options.rows:
        with TemporaryDirectory(prefix="clawai-bench-") as folder:
            sizes[str(rows)] = measure(rows, options.questions, Path(folder))
    console.print(save("vectors", before | {"sizes": sizes, "ratios": _ratios(sizes)}))
    return 0


def _ratios(sizes: dict[str, Any]) -> dict[str, float]:
    """Return how the way that is chosen stands to measuring every row."""
    return {
        f"{rows} rows, {share}: time of the chosen way / of the exact one":
            of[f"{share}, vector, chosen"]["p50_ms"] / of[f"{share}, vector, exact"]["p50_ms"]
        for rows, of in sizes.items()
        for share in (WHOLE, *SHARES)
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
