"""Index one document: read it, cut it, embed it, store it, put it in use."""

import logging
import random
from pathlib import Path
from typing import IO, cast
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction

from configs import registry, runtime
from configs.errors import ClawError, ProviderError
from configs.runtime import Snapshot
from knowledge import chunking, embedding
from knowledge.chunking import Piece
from knowledge.errors import reason
from knowledge.indexing import generations, jobs, passages
from knowledge.models import Chunk, Document, DocumentVersion, IndexGeneration
from knowledge.parsing import sandbox, sniffing
from knowledge.protocol import Parsed, ParseError, outline, restore

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
READ_PERCENT = 5


def run(document_id: UUID) -> float | None:
    """Index the document if it is due; return in how many seconds to try again, None for never.

    Safe to call any number of times, at the same time too. What an earlier attempt has stored
    stays: the next one goes on after the last passage.
    """
    held = jobs.claim(document_id)
    if held is None:
        return None
    try:
        with jobs.kept(held):
            _index(held)
    except jobs.LeaseLost:
        logger.info("Document %s was taken over.", document_id)
    except ParseError as error:
        jobs.fail(held, error.code, reason(error.code))
    except ProviderError as error:
        return _again(held, error.code, error.detail, error)
    except (DatabaseError, OSError) as error:
        return _again(held, "unavailable", str(error), None)
    _switch(document_id)
    return None


def _again(held: jobs.Claim, code: str, detail: str, error: ClawError | None) -> float | None:
    """Give the document back with a growing pause, or up after the last attempt."""
    hopeless = error is not None and not error.retryable
    if hopeless or held.attempts >= jobs.attempts_allowed():
        jobs.fail(held, code, detail)
        return None
    logger.warning("Document %s is tried again: %s", held.document_id, detail)
    pause: float = FIRST_PAUSE_SECONDS * 4 ** (held.attempts - 1) * random.uniform(1, 1.25)  # noqa: S311
    pause = min(max(pause, (error and error.retry_after) or 0), LONGEST_PAUSE_SECONDS)
    jobs.postpone(held, pause)
    return pause


def _switch(document_id: UUID) -> None:
    row = Document.objects.filter(pk=document_id).values_list("base_id", flat=True).first()
    if row is not None:
        generations.switch_when_complete(row)


def _index(held: jobs.Claim) -> None:
    """Do the work on a claimed document.

    Raises:
        LeaseLost: somebody else has it now.
        ParseError: it cannot be read, for good.
        ProviderError: the embedding endpoint failed.
    """
    document = Document.objects.get(pk=held.document_id)
    version = document.versions.order_by("-number").first()
    if version is None:
        raise ParseError("missing")
    parsed = _read(held, version)
    meter = jobs.Meter(held)
    targets = generations.targets(document.base_id)
    for at, generation in enumerate(targets):
        _fill(held, version, parsed, generation, meter, (at, len(targets)))
    _put_in_use(held, version)
    passages.remove_older(held, version)
    with transaction.atomic():
        jobs.succeed(held)
    jobs.ring(held)


def _read(held: jobs.Claim, version: DocumentVersion) -> Parsed:
    """Return the version's text and blocks: as they are stored, or out of the file."""
    if version.text:
        return restore(version.text, version.outline)
    current = runtime.current()
    kind = sniffing.kind_of(version.file.name or "") or "text"
    with default_storage.open(str(version.file.name)) as file:
        if not sniffing.agrees(kind, cast("IO[bytes]", file)):
            raise ParseError("unsupported")
    parsed = sandbox.parse(
        Path(version.file.path),
        kind,
        seconds=current.get(registry.UPLOADS_PARSE_SECONDS),
        memory_mb=current.get(registry.UPLOADS_PARSE_MEMORY_MB),
    )
    _check_bounds(parsed, current)
    version.text, version.outline = parsed.text, outline(parsed.blocks)
    with transaction.atomic():
        jobs.hold(held)
        version.save(update_fields=["text", "outline"])
    return parsed


def _check_bounds(parsed: Parsed, current: Snapshot) -> None:
    pages = max((block.page or 0 for block in parsed.blocks), default=0)
    if len(parsed.text) > current.get(registry.UPLOADS_MAX_CHARACTERS) or pages > current.get(
        registry.UPLOADS_MAX_PAGES
    ):
        raise ParseError("limits")


def _fill(
    held: jobs.Claim,
    version: DocumentVersion,
    parsed: Parsed,
    generation: IndexGeneration,
    meter: jobs.Meter,
    turn: tuple[int, int],
) -> None:
    """Bring every passage of the version into the generation, after those that are in already."""
    if passages.is_whole(version, generation):
        return
    pieces = list(
        chunking.chunk(
            parsed.text,
            parsed.blocks,
            max_tokens=generation.chunk_tokens,
            overlap_tokens=generation.overlap_tokens,
        )
    )
    if not pieces:
        raise ParseError("empty")
    done = _resume_at(held, version, generation, pieces)
    texts = [embedding.passage_text(piece.heading_path, piece.text) for piece in pieces[done:]]
    for vectors in embedding.for_generation(generation).batches(texts):
        batch = pieces[done : done + len(vectors)]
        passages.store(held, version, generation, batch, vectors)
        done += len(batch)
        share = (turn[0] + done / len(pieces)) / turn[1]
        meter.at(READ_PERCENT + share * (99 - READ_PERCENT))
    passages.complete(held, version, generation, len(pieces))


def _resume_at(
    held: jobs.Claim, version: DocumentVersion, generation: IndexGeneration, pieces: list[Piece]
) -> int:
    """Return how many passages are stored; those that were cut by other rules are taken out."""
    done = passages.stored(version, generation)
    if done == 0:
        return 0
    last = Chunk.objects.get(version=version, generation=generation, ordinal=done - 1)
    same = done <= len(pieces) and (last.start, last.end) == (
        pieces[done - 1].start,
        pieces[done - 1].end,
    )
    if not same:
        passages.remove_version(held, version, generation)
    return done if same else 0


def _put_in_use(held: jobs.Claim, version: DocumentVersion) -> None:
    """Let the version be found instead of the one before."""
    with transaction.atomic():
        document = jobs.hold(held)
        document.current_version = version
        document.save(update_fields=["current_version", "updated_at"])
