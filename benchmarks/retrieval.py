"""How well and how fast passages are found: given sets of questions through the real search."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.environment import ROOT, about, percentile, save
from clawai import embedded
from clawai.embedded import state

SETS = {
    "cmrc2018-zh": ("cmrc2018-zh", "cmrc2018-zh"),
    "drcd-zh-hant": ("drcd-zh-hant", "drcd-zh-hant"),
    "xquad-zh": ("xquad-zh", "xquad-zh"),
    "xquad-en": ("xquad-en", "xquad-en"),
    "xquad-zh2en": ("xquad-zh2en", "xquad-en"),
    "xquad-en2zh": ("xquad-en2zh", "xquad-zh"),
    "tidb-faq-zh": ("tidb-faq-zh", "tidb-faq-zh"),
    "docs-django-en": ("docs-django-en", "docs-django-en"),
}
"""Each set: where its questions lie, and where the corpus that they are asked of."""

TARGETS = {
    "cmrc2018-zh": (0.995, 0.990),
    "drcd-zh-hant": (0.998, 0.982),
    "xquad-zh": (0.995, 0.970),
    "xquad-en": (0.995, 0.985),
    "xquad-zh2en": (0.96, 0.88),
    "xquad-en2zh": (0.96, 0.86),
    "tidb-faq-zh": (0.945, 0.865),
    "mixed": (0.90, 0.82),
}
PLAIN = "docs-django-en"
"""The set that is also cut by a plain chunker of 1,000 characters, as the baseline."""

ACROSS = {"xquad-zh2en": "xquad-zh", "xquad-en2zh": "xquad-en"}
"""The sets across languages, with the corpus that answers the same in the question's language."""

MODES = ("hybrid", "vector", "text")
DEEP = 20
console = Console()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the names of the documents that answer it."""

    text: str
    wanted: frozenset[str]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@contextmanager
def _stack(data_dir: Path) -> Iterator[None]:
    """Run PostgreSQL and Redis of our own, with Django set up on them and migrated."""
    state.prepare(data_dir)
    stack = embedded.start(data_dir, durable=False)
    state.ensure_secrets(data_dir)
    os.environ.update(
        CLAWAI_DATA_DIR=str(data_dir), DATABASE_URL=stack.database_url, REDIS_URL=stack.redis_url
    )
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        embedded.stop(data_dir)


def measure(questions: list[Question], bases: list[Any], mode: str) -> dict[str, float]:
    """Ask every question; return Recall@5 and MRR@10 by document, and times in milliseconds."""
    from benchmarks.corpora import asker, names_found

    user = asker()
    hits, reciprocal, total, sql, used = [], [], [], [], []
    for question in questions:
        found, took, in_sql, on_processor = names_found(
            user, question.text, tuple(bases), mode, DEEP
        )
        places = [at for at, name in enumerate(found, start=1) if name in question.wanted]
        hits.append(bool(places) and places[0] <= 5)
        reciprocal.append(1 / places[0] if places and places[0] <= 10 else 0.0)
        total.append(took)
        sql.append(in_sql)
        used.append(on_processor)
    return {
        "recall_at_5": round(sum(hits) / len(hits), 4),
        "mrr_at_10": round(sum(reciprocal) / len(hits), 4),
        "search_p50_ms": round(percentile(total, 0.5), 2),
        "search_p95_ms": round(percentile(total, 0.95), 2),
        "sql_p50_ms": round(percentile(sql, 0.5), 2),
        "sql_p95_ms": round(percentile(sql, 0.95), 2),
        "sql_cpu_p50_ms": round(percentile(used, 0.5), 2),
        "sql_cpu_p95_ms": round(percentile(used, 0.95), 2),
        "sql_cpu_p99_ms": round(percentile(used, 0.99), 2),
    }


@dataclass(frozen=True, slots=True)
class Sets:
    """The sets on disk; of the manual, its first `pages` and the questions that they answer.

    `keep` searches the bases that an earlier run has made, where they are whole.
    """

    data: Path
    pages: int
    keep: bool
    modes: tuple[str, ...]

    def corpus(self, name: str) -> list[dict[str, Any]]:
        """Return the documents of a corpus."""
        rows = _rows(self.data / name / "corpus.jsonl")
        return rows[: self.pages] if name == PLAIN else rows

    def questions(self, name: str) -> list[Question]:
        """Return the questions of a set that its documents can answer."""
        corpus = SETS[name][1]
        known = {row["id"] for row in self.corpus(corpus)}
        return [
            Question(row["text"], frozenset(f"{corpus}/{of}" for of in row["relevant"]))
            for row in _rows(self.data / name / "queries.jsonl")
            if known.intersection(row["relevant"])
        ]


def _run(sets: Sets, cache: Path, only: list[str]) -> dict[str, Any]:
    from benchmarks import corpora

    corpora.remember(cache)
    chosen = {name: of for name, of in SETS.items() if name in only}
    bases = {
        corpus: corpora.load(corpus, sets.corpus(corpus), keep=sets.keep)
        for corpus in sorted({of[1] for of in chosen.values()})
    }
    corpora.settle()
    figures: dict[str, Any] = {}
    for name, (asked, corpus) in chosen.items():
        figures[name] = _alone(sets.questions(asked), bases[corpus], sets.modes)
        _show(name, figures[name])
    if len(chosen) > 1:
        figures |= _mixed(sets, chosen, bases)
    if PLAIN in chosen:
        figures[f"{PLAIN}, plain"] = _plain(sets)
        _show("plain", figures[f"{PLAIN}, plain"])
    return figures


def _alone(questions: list[Question], base: Any, modes: tuple[str, ...]) -> dict[str, Any]:
    """Ask a set's questions of its own base, by both legs or by one."""
    from benchmarks import corpora

    figures: dict[str, Any] = {mode: measure(questions, [base], mode) for mode in modes}
    return figures | {"questions": len(questions), "chunks": corpora.size(base)}


def _mixed(sets: Sets, chosen: dict[str, tuple[str, str]], bases: dict[str, Any]) -> dict[str, Any]:
    """Ask all bases at once.

    A set across languages asks what another set asks as well, and names the other answer of the
    two that lie there. So each question counts once, with the answer in its own language; then all
    do, as their sets name the answers; then the sets across ask without their own language's.
    """
    everywhere = list(bases.values())
    asked = {name: sets.questions(name) for name in chosen}
    once = [question for name, of in asked.items() if name not in ACROSS for question in of]
    figures: dict[str, Any] = {"mixed": {"hybrid": measure(once, everywhere, "hybrid")}}
    twice = [question for of in asked.values() for question in of]
    if len(twice) > len(once):
        strict = measure(twice, everywhere, "hybrid") | {"best_mrr_possible": ceiling(twice)}
        figures["mixed, only the answer that the set names"] = {"hybrid": strict}
    for name in ACROSS.keys() & chosen.keys():
        others = [base for corpus, base in bases.items() if corpus != ACROSS[name]]
        of = measure(asked[name], others, "hybrid")
        figures[f"mixed, {name} without the translation"] = {"hybrid": of}
    for name, of in figures.items():
        _show(name, of)
    return figures


def ceiling(questions: list[Question]) -> float:
    """Return the MRR@10 of a perfect order, which puts one answer first for each wording."""
    answers: dict[str, list[frozenset[str]]] = {}
    for question in questions:
        answers.setdefault(question.text, []).append(question.wanted)
    perfect = [1 / at for of in answers.values() for at in range(1, len(of) + 1)]
    return round(sum(perfect) / len(questions), 4)


def _plain(sets: Sets) -> dict[str, Any]:
    """Measure the plain chunker, by vectors alone and with both legs."""
    from benchmarks import corpora

    base = corpora.load(PLAIN, sets.corpus(PLAIN), plain=True, keep=sets.keep)
    corpora.settle()
    questions = sets.questions(PLAIN)
    return {mode: measure(questions, [base], mode) for mode in ("vector", "hybrid")}


def _show(name: str, figures: dict[str, Any]) -> None:
    for mode, row in figures.items():
        if isinstance(row, dict) and "recall_at_5" in row:
            console.print(
                f"{name:16} {mode:7} R@5 {row['recall_at_5']:.3f} MRR {row['mrr_at_10']:.3f} "
                f"search {row['search_p50_ms']}/{row['search_p95_ms']} "
                f"SQL {row['sql_p50_ms']}/{row['sql_p95_ms']} ms, "
                f"{row['sql_cpu_p50_ms']}/{row['sql_cpu_p95_ms']} of processor"
            )


def ratios(figures: dict[str, Any]) -> dict[str, float]:
    """Return how each set stands to its baseline: the vector leg alone, or the plain chunker."""
    result = {}
    for name, of in figures.items():
        if "vector" in of and PLAIN not in name:
            ratio = of["hybrid"]["mrr_at_10"] / of["vector"]["mrr_at_10"]
            result[f"{name}: MRR@10 of both legs to the vector leg"] = ratio
    if PLAIN in figures:
        ours, plain = figures[PLAIN]["hybrid"], figures[f"{PLAIN}, plain"]["vector"]
        result["manual: Recall@5 to a plain chunker"] = ours["recall_at_5"] / plain["recall_at_5"]
        result["manual: MRR@10 to a plain chunker"] = ours["mrr_at_10"] / plain["mrr_at_10"]
    return result


def _verdicts(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    table = Table("set", "Recall@5", "target", "MRR@10", "target")
    verdicts = {}
    for name, (recall, mrr) in TARGETS.items():
        if name not in figures:
            continue
        got = figures[name]["hybrid"]
        verdicts[name] = {
            "recall_target": recall,
            "mrr_target": mrr,
            "met": got["recall_at_5"] >= recall and got["mrr_at_10"] >= mrr,
        }
        table.add_row(name, *map(str, (got["recall_at_5"], recall, got["mrr_at_10"], mrr)))
    console.print(table)
    return verdicts


def main() -> int:
    """Return the exit status; without the sets nothing is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    default = os.environ.get("CLAWAI_BENCH_RETRIEVAL", str(ROOT.parent / "shared/data/retrieval"))
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the sets")
    parser.add_argument("--work", type=Path, default=ROOT / ".clawai-bench", help="scratch folder")
    parser.add_argument("--pages", type=int, default=1000, help="pages of the manual, at most")
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=list(MODES))
    parser.add_argument("--keep", action="store_true", help="search what the last run indexed")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        console.print(f"No sets in {arguments.data}: give --data or CLAWAI_BENCH_RETRIEVAL.")
        return 0
    begun = time.monotonic()
    work = arguments.work.resolve()
    with _stack(work):
        sets = Sets(arguments.data, arguments.pages, arguments.keep, tuple(arguments.modes))
        figures = _run(sets, work / "embeddings.sqlite3", arguments.sets)
    result = about() | {"seconds": round(time.monotonic() - begun), "sets": figures}
    result |= {"targets": _verdicts(figures), "ratios": ratios(figures)}
    console.print(f"Written to {save('retrieval', result)}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    sys.exit(main())
