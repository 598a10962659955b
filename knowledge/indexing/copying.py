"""Passages into PostgreSQL by COPY, in its binary form: what an INSERT spends on text is saved."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db import connection
from pgvector import HalfVector, SparseVector

from configs.providers.base import Vectors
from knowledge.chunking import Piece
from knowledge.models import Chunk

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": a signature, no flags, no
# extension; rows of fields that have their length in front; a count of -1 at the end.
_BEGIN = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)

_COLUMNS = (
    "base_id", "generation_id", "document_id", "version_id", "ordinal", "text", "heading_path",
    "page", "start", '"end"', "is_chinese", "dimensions", "embedding", "bm25", "terms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where passages belong."""

    base_id: UUID
    generation_id: int
    document_id: UUID
    version_id: UUID


@dataclass(frozen=True, slots=True)
class Row:
    """A passage with all that it is found by; `lexemes` are distinct and sorted."""

    piece: Piece
    is_chinese: bool
    vector: Vectors
    weights: SparseVector
    lexemes: Sequence[str]


def copy(place: Place, rows: Iterable[Row]) -> None:
    """Insert the passages; call inside a transaction."""
    table = Chunk._meta.db_table
    statement = f"COPY {table} ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    prefix = struct.pack(">h", len(_COLUMNS)) + _place(place)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(_BEGIN)
        for row in rows:
            stream.write(prefix + _fields(row))
        stream.write(_END)


def _place(place: Place) -> bytes:
    return b"".join(
        (
            _field(place.base_id.bytes),
            _field(struct.pack(">q", place.generation_id)),
            _field(place.document_id.bytes),
            _field(place.version_id.bytes),
        )
    )


def _fields(row: Row) -> bytes:
    piece = row.piece
    page = _NULL if piece.page is None else _integer(piece.page)
    return b"".join(
        (
            _integer(piece.ordinal),
            _field(piece.text.encode()),
            _field(piece.heading_path.encode()),
            page,
            _integer(piece.start),
            _integer(piece.end),
            _field(struct.pack(">?", row.is_chinese)),
            _field(struct.pack(">h", len(row.vector))),
            _field(HalfVector(np.asarray(row.vector)).to_binary()),
            _field(row.weights.to_binary()),
            _field(_tsvector(row.lexemes)),
        )
    )


def _field(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _integer(value: int) -> bytes:
    return struct.pack(">ii", 4, value)


def _tsvector(lexemes: Sequence[str]) -> bytes:
    """Return what `tsvectorrecv` reads: the number of lexemes, each with no positions."""
    parts = [lexeme.encode() + b"\0\0\0" for lexeme in lexemes]
    return struct.pack(">i", len(parts)) + b"".join(parts)
