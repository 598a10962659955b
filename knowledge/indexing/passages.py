"""Store and remove passages, with the term frequencies kept exact in the same transaction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q

from configs.providers.base import Vectors
from configs.providers.local import is_chinese
from knowledge import embedding, segmentation
from knowledge.chunking import Piece
from knowledge.indexing.copying import Place, Row, copy
from knowledge.indexing.jobs import Claim, hold
from knowledge.models import (
    Chunk,
    Document,
    DocumentVersion,
    IndexedVersion,
    IndexGeneration,
    TermFrequency,
)

REMOVE_AT_ONCE = 500


def stored(version: DocumentVersion, generation: IndexGeneration) -> int:
    """Return how many passages of the version are in, counted from the first without a gap."""
    return Chunk.objects.filter(version=version, generation=generation).count()


def is_whole(version: DocumentVersion, generation: IndexGeneration) -> bool:
    """Say whether every passage of the version is in the generation."""
    return IndexedVersion.objects.filter(version=version, generation=generation).exists()


def store(
    held: Claim,
    version: DocumentVersion,
    generation: IndexGeneration,
    pieces: Sequence[Piece],
    vectors: Vectors,
) -> None:
    """Insert one batch with its terms, all or nothing.

    Raises:
        LeaseLost: the claim is no longer the newest; nothing was written.
    """
    texts = [embedding.passage_text(piece.heading_path, piece.text) for piece in pieces]
    words = [segmentation.terms(text) for text in texts]
    weights = [segmentation.weights(found, generation.average_terms) for found in words]
    rows = [
        Row(piece, is_chinese(text), vector, weight, segmentation.lexemes(found))
        for piece, text, vector, weight, found in zip(
            pieces, texts, vectors, weights, words, strict=True
        )
    ]
    with transaction.atomic():
        document = hold(held)
        copy(Place(document.base_id, generation.pk, document.pk, version.pk), rows)
        _count(generation.pk, (weight.indices() for weight in weights), len(rows), sign=1)


def complete(
    held: Claim, version: DocumentVersion, generation: IndexGeneration, chunks: int
) -> None:
    """Note that all `chunks` passages of the version are in the generation.

    Raises:
        LeaseLost: the claim is no longer the newest.
    """
    with transaction.atomic():
        hold(held)
        IndexedVersion.objects.get_or_create(
            version=version, generation=generation, defaults={"chunks": chunks}
        )


def remove_older(held: Claim, version: DocumentVersion) -> None:
    """Take the passages of all other versions out, in small transactions."""
    older = Q(document_id=held.document_id) & ~Q(version=version)
    while _remove_some(older, held):
        pass
    IndexedVersion.objects.filter(version__document_id=held.document_id).exclude(
        version=version
    ).delete()


def remove_version(held: Claim, version: DocumentVersion, generation: IndexGeneration) -> None:
    """Take out what one version has in one generation, in small transactions."""
    while _remove_some(Q(version=version, generation=generation), held):
        pass


def remove_document(document: Document) -> None:
    """Take all passages of a document out; call inside a transaction that has locked it."""
    while _remove_some(Q(document=document), None):
        pass


def _remove_some(which: Q, held: Claim | None) -> bool:
    """Remove up to 500 passages; say whether there was anything to remove."""
    with transaction.atomic():
        if held is not None:
            hold(held)
        rows = list(
            Chunk.objects.filter(which)
            .order_by("generation_id", "pk")
            .values_list("pk", "generation_id", "bm25")[:REMOVE_AT_ONCE]
        )
        Chunk.objects.filter(pk__in=[pk for pk, _, _ in rows]).delete()
        for generation_id in sorted({generation for _, generation, _ in rows}):
            vectors = [bm25 for _, of, bm25 in rows if of == generation_id]
            terms = (bm25.indices() for bm25 in vectors if bm25 is not None)
            _count(generation_id, terms, len(vectors), sign=-1)
    return bool(rows)


def _count(generation_id: int, terms: Iterable[Sequence[int]], chunks: int, *, sign: int) -> None:
    """Add to, or take from, the term frequencies and the number of chunks of a generation.

    Rows are locked in the order of the terms, and the generation's last: no two workers wait for
    each other in a circle, and the row that all share is held for the shortest time.
    """
    counts = Counter(term for of_one in terms for term in of_one)
    ordered = sorted(counts)
    amounts = [counts[term] for term in ordered]
    if ordered:
        (_add_terms if sign > 0 else _take_terms)(generation_id, ordered, amounts)
    IndexGeneration.objects.filter(pk=generation_id).update(
        chunk_count=F("chunk_count") + sign * chunks
    )


def _add_terms(generation_id: int, terms: list[int], amounts: list[int]) -> None:
    table = TermFrequency._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS f (generation_id, term, chunks)"  # noqa: S608 - our own table
            " SELECT %s, term, amount FROM unnest(%s::int[], %s::int[]) AS new (term, amount)"
            " ON CONFLICT (generation_id, term) DO UPDATE SET chunks = f.chunks + excluded.chunks",
            [generation_id, terms, amounts],
        )


def _take_terms(generation_id: int, terms: list[int], amounts: list[int]) -> None:
    table = TermFrequency._meta.db_table
    rows = TermFrequency.objects.filter(generation_id=generation_id, term__in=terms)
    list(rows.select_for_update().order_by("term").values_list("term"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} AS f SET chunks = greatest(f.chunks - gone.amount, 0)"  # noqa: S608
            " FROM unnest(%s::int[], %s::int[]) AS gone (term, amount)"
            " WHERE f.generation_id = %s AND f.term = gone.term",
            [terms, amounts, generation_id],
        )
    rows.filter(chunks=0).delete()


def remove_generation(generation_id: int) -> None:
    """Empty a retired generation, in small transactions; repeating it is harmless."""
    chunks = Chunk.objects.filter(generation_id=generation_id).order_by("pk")
    while ids := list(chunks.values_list("pk", flat=True)[:REMOVE_AT_ONCE]):
        Chunk.objects.filter(pk__in=ids).delete()
    TermFrequency.objects.filter(generation_id=generation_id).delete()
    IndexedVersion.objects.filter(generation_id=generation_id).delete()
    IndexGeneration.objects.filter(pk=generation_id).update(chunk_count=0)


def base_is_unchanged(base_id: UUID) -> bool:
    """Say whether no document of the base waits or is being worked on."""
    busy = (Document.Status.QUEUED, Document.Status.PROCESSING)
    return not Document.objects.filter(base_id=base_id, status__in=busy).exists()
