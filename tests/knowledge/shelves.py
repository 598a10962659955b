"""Bases with passages that can be searched, put there without files or workers."""

from collections import Counter
from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db.models import Func, TextField, Value

from accounts.models import User
from configs import runtime
from configs.models import ModelEndpoint
from configs.providers.base import Vectors
from configs.providers.local import is_chinese
from configs.providers.vectors import hashed_ngrams
from knowledge import segmentation
from knowledge.models import (
    Chunk,
    Document,
    DocumentVersion,
    IndexGeneration,
    KnowledgeBase,
    TermFrequency,
)
from tests.factories import DocumentFactory, DocumentVersionFactory, KnowledgeBaseFactory


def plug_in(name: str = "fake", dimensions: int = 256, **fields: object) -> ModelEndpoint:
    """Make an embedding endpoint that this process knows at once."""
    fields = {"provider": "fake", "parameters": {"dimensions": dimensions}} | fields
    endpoint = ModelEndpoint.objects.create(name=name, kind="embedding", **fields)
    runtime.refresh()
    return endpoint


def base_of(
    owner: User, *, endpoint_name: str = "fake", dimensions: int = 256, **fields: object
) -> KnowledgeBase:
    """Make a base with an index in use and nothing in it."""
    base = KnowledgeBaseFactory.create(owner=owner, **fields)
    generation = IndexGeneration.objects.create(
        base=base,
        state=IndexGeneration.State.ACTIVE,
        endpoint_name=endpoint_name,
        dimensions=dimensions,
        chunk_tokens=256,
        overlap_tokens=32,
        average_terms=100,
    )
    base.active_generation = generation
    base.save()
    return base


def put(
    base: KnowledgeBase,
    *texts: str,
    vectors: Vectors | None = None,
    name: str = "leaflet.md",
    heading: str = "",
    document: Document | None = None,
) -> Document:
    """Put a document of these passages into the base and in use, in place of its last version."""
    document = document or DocumentFactory.create(base=base, name=name, status="ready")
    number = document.versions.count() + 1
    version = DocumentVersionFactory.create(document=document, number=number)
    generation = base.active_generation
    assert generation is not None
    if vectors is None:
        vectors = hashed_ngrams(texts, generation.dimensions)
    fill(generation, version, texts, vectors, heading)
    document.current_version = version
    document.save()
    return document


def fill(
    generation: IndexGeneration,
    version: DocumentVersion,
    texts: Sequence[str],
    vectors: Vectors,
    heading: str = "",
) -> None:
    """Write the passages and their term frequencies."""
    words = [segmentation.terms(text) for text in texts]
    weights = [segmentation.weights(found, generation.average_terms) for found in words]
    rows = [
        Chunk(
            base_id=generation.base_id,
            generation=generation,
            document=version.document,
            version=version,
            ordinal=ordinal,
            text=text,
            heading_path=heading,
            start=0,
            end=max(len(text), 1),
            is_chinese=is_chinese(text),
            dimensions=generation.dimensions,
            embedding=vectors[ordinal],
            bm25=weights[ordinal],
            terms=_vector_of(words[ordinal]),
        )
        for ordinal, text in enumerate(texts)
    ]
    Chunk.objects.bulk_create(rows, batch_size=1000)
    counts = Counter(term for vector in weights for term in vector.indices())
    known = dict(TermFrequency.objects.filter(generation=generation).values_list("term", "chunks"))
    TermFrequency.objects.bulk_create(
        [
            TermFrequency(generation=generation, term=t, chunks=n + known.get(t, 0))
            for t, n in counts.items()
        ],
        update_conflicts=True,
        unique_fields=["generation", "term"],
        update_fields=["chunks"],
    )
    generation.chunk_count += len(rows)
    generation.save()


def _vector_of(words: Sequence[str]) -> Func:
    array = Value(segmentation.lexemes(words), output_field=ArrayField(TextField()))
    return Func(array, function="array_to_tsvector", output_field=SearchVectorField())
