"""Passages that are copied in say the same as passages that are inserted."""

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import connection, transaction
from django.db.models import Func, TextField, Value

from knowledge import segmentation
from knowledge.chunking import Piece
from knowledge.indexing.copying import Place, Row, copy
from knowledge.models import Chunk
from tests.factories import DocumentFactory, DocumentVersionFactory
from tests.knowledge.shelves import base_of

TEXTS = (
    "数据库连接超时时，请检查 CONN_MAX_AGE。\n\t\\N 'quotes' \\ 引号”",
    "Café naïve 𠮷野家 C++ err-2041 a.b.c",
    "!?",
)
FIELDS = (
    "base_id", "generation_id", "document_id", "version_id", "ordinal", "text", "heading_path",
    "page", "start", "end", "is_chinese", "dimensions", "embedding", "bm25", "terms",
)  # fmt: skip


def everything(ordinals):
    """Return the columns of the passages, as the database writes them."""
    names = ", ".join(f'"{name}"::text' for name in FIELDS if name != "ordinal")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {names} FROM knowledge_chunk WHERE ordinal = ANY(%s) ORDER BY ordinal",
            [ordinals],
        )
        return cursor.fetchall()


def inserted(place, row, ordinal):
    lexemes = Value(list(row.lexemes), output_field=ArrayField(TextField()))
    return Chunk(
        base_id=place.base_id, generation_id=place.generation_id, document_id=place.document_id,
        version_id=place.version_id, ordinal=ordinal, text=row.piece.text,
        heading_path=row.piece.heading_path, page=row.piece.page, start=row.piece.start,
        end=row.piece.end, is_chinese=row.is_chinese, dimensions=len(row.vector),
        embedding=row.vector, bm25=row.weights,
        terms=Func(lexemes, function="array_to_tsvector", output_field=SearchVectorField()),
    )  # fmt: skip


def test_copy__any_text__equals_an_insert(alice):
    base = base_of(alice, dimensions=8)
    version = DocumentVersionFactory.create(document=DocumentFactory.create(base=base))
    place = Place(base.pk, base.active_generation.pk, version.document.pk, version.pk)
    dice = np.random.default_rng(3)
    rows = []
    for at, text in enumerate(TEXTS):
        found = segmentation.terms(text)
        piece = Piece(at, text, 3 * at, 3 * at + 5, "手册 > A 'b'", at or None, 1.0)
        vector = dice.normal(size=8).astype(np.float32)
        weights = segmentation.weights(found, 150)
        rows.append(Row(piece, at == 0, vector, weights, segmentation.lexemes(found)))
    with transaction.atomic():
        copy(place, rows)
    Chunk.objects.bulk_create([inserted(place, row, 10 + at) for at, row in enumerate(rows)])
    assert everything([0, 1, 2]) == everything([10, 11, 12])
    assert len(everything([0, 1, 2])) == len(TEXTS)


def test_copy__inside_a_transaction_that_fails__leaves_nothing(alice):
    base = base_of(alice, dimensions=8)
    version = DocumentVersionFactory.create(document=DocumentFactory.create(base=base))
    place = Place(base.pk, base.active_generation.pk, version.document.pk, version.pk)
    piece = Piece(0, "x", 0, 1, "", None, 1.0)
    row = Row(piece, False, np.ones(8, np.float32), segmentation.weights([], 150), [])
    with transaction.atomic():
        copy(place, [row])
        transaction.set_rollback(True)
    assert not Chunk.objects.exists()
