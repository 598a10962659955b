"""Take files in: checked, hashed, stored under a random name, and queued for indexing."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, cast
from uuid import UUID, uuid4

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import limits
from accounts.models import User
from configs import registry, runtime
from configs.audit import actions
from configs.errors import Invalid, NotFound, TooLarge, UnsupportedType
from knowledge.indexing import generations
from knowledge.models import Document, DocumentVersion
from knowledge.parsing import sniffing
from knowledge.services import queueing, records
from knowledge.services.access import editable_base

LONGEST_NAME = 255
LONGEST_SOURCE = 1000
LONGEST_EXTENSION = 10

_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What is known of a file before it is stored."""

    name: str
    source: str
    kind: str
    size: int
    sha256: str


def upload(
    *, actor: User, base_id: UUID, file: File[bytes], name: str = "", source: str = ""
) -> tuple[Document, bool]:
    """Store `file` and queue it for indexing; return the document, and whether there is work.

    Bytes that the base has already give the existing document and False. A `source` (where the
    file comes from) that the base knows with other bytes makes a new version of that document;
    the old one is searched until the new one is ready.

    Raises:
        NotFound, Forbidden: see the module of services.
        Invalid: the name or source is unusable. TooLarge: the file is over the limit.
        UnsupportedType: the kind of file cannot be read, or the content is of another kind.
    """
    editable_base(actor, base_id)
    arrival = _inspect(actor, file, _clean_name(name or file.name or ""), _checked_source(source))
    known = _same_bytes(base_id, arrival)
    if known is not None:
        return known, False
    with _stored(file, arrival) as path, transaction.atomic():
        # Uploads of one base take turns from here: the same bytes at the same time stay one.
        if generations.lock_base(base_id) is None:
            raise NotFound
        known = _same_bytes(base_id, arrival)
        if known is not None:
            default_storage.delete(path)
            return known, False
        document = _document(actor, base_id, arrival)
        _add_version(document, arrival, path)
        queueing.nudge_on_commit([document.pk])
        file_facts = {"kind": arrival.kind, "bytes": arrival.size, "sha256": arrival.sha256}
        records.of_document(actions.DOCUMENT_UPLOAD, document, actor=actor, new=file_facts)
    document.refresh_from_db()
    return document, True


def max_bytes(actor: User | None = None) -> int:
    """Return how many bytes a file of this person's may have, or of anybody's."""
    if actor is None:
        return runtime.current().most(registry.UPLOADS_MAX_MB) << 20
    return limits.of_person(actor, registry.UPLOADS_MAX_MB) << 20


def accepted() -> list[str]:
    """Return the extensions of the files that are taken in, with their dots, in order."""
    kinds = runtime.current().get(registry.UPLOADS_KINDS)
    return sorted(end for end, kind in sniffing.EXTENSIONS.items() if kind in kinds)


def _clean_name(name: str) -> str:
    """Return the last part of a path, short enough, with its extension."""
    if _FORBIDDEN.search(name):
        raise Invalid(errors={"file": [_("The file's name holds forbidden characters.")]})
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].strip()
    if last.strip(".") == "":
        raise Invalid(errors={"file": [_("The file has no name.")]})
    extension = PurePosixPath(last).suffix[:LONGEST_EXTENSION]
    return last if len(last) <= LONGEST_NAME else last[: LONGEST_NAME - len(extension)] + extension


def _checked_source(source: str) -> str:
    if len(source) > LONGEST_SOURCE or _FORBIDDEN.search(source):
        raise Invalid(errors={"source": [_("At most %d characters.") % LONGEST_SOURCE]})
    return source


def _inspect(actor: User, file: File[bytes], name: str, source: str) -> _Arrival:
    """Read the file once: its kind, its size and its hash."""
    kind = sniffing.kind_of(name)
    if kind is None or kind not in runtime.current().get(registry.UPLOADS_KINDS):
        known = ", ".join(accepted())
        raise UnsupportedType(_("These kinds of files can be read: %s.") % known)
    digest = hashlib.sha256()
    size = 0
    limit = max_bytes(actor)
    for part in file.chunks():
        size += len(part)
        if size > limit:
            raise TooLarge(_("A file may have at most %d MB.") % (limit >> 20))
        digest.update(part)
    if not sniffing.agrees(kind, cast("IO[bytes]", file)):
        raise UnsupportedType(_("The content of this file is not what its name says."))
    return _Arrival(name, source, kind, size, digest.hexdigest())


def _same_bytes(base_id: UUID, arrival: _Arrival) -> Document | None:
    """Return the document whose newest version has these bytes, of this source where one is."""
    newer = DocumentVersion.objects.filter(
        document=OuterRef("document"), number__gt=OuterRef("number")
    )
    same = DocumentVersion.objects.filter(
        ~Exists(newer), document__base_id=base_id, sha256=arrival.sha256
    )
    known = Document.objects.filter(base_id=base_id, source=arrival.source)
    if arrival.source and known.exists():
        same = same.filter(document__source=arrival.source)
    found = same.select_related("document").order_by("document__created_at", "pk").first()
    return found.document if found else None


@contextmanager
def _stored(file: File[bytes], arrival: _Arrival) -> Iterator[str]:
    """Store the bytes under a random name, and take them away again if the block fails."""
    file.seek(0)
    extension = next(end for end, kind in sniffing.EXTENSIONS.items() if kind == arrival.kind)
    folder = timezone.now().strftime("documents/%Y/%m")
    path = default_storage.save(f"{folder}/{uuid4().hex}{extension}", file)
    kept = False
    try:
        yield path
        kept = True
    finally:
        if not kept:
            default_storage.delete(path)


def _document(actor: User, base_id: UUID, arrival: _Arrival) -> Document:
    """Return the document of this source, queued again, or a new one."""
    if arrival.source:
        known = Document.objects.select_for_update(no_key=True).filter(
            base_id=base_id, source=arrival.source
        )
        document = known.first()
        if document is not None:
            known.update(name=arrival.name, uploaded_by=actor, **queueing.waiting())
            return document
    return Document.objects.create(
        base_id=base_id,
        name=arrival.name,
        source=arrival.source,
        uploaded_by=actor,
        **queueing.waiting(),
    )


def _add_version(document: Document, arrival: _Arrival, path: str) -> None:
    newest = document.versions.order_by("-number").values_list("number", flat=True).first()
    DocumentVersion.objects.create(
        document=document,
        number=(newest or 0) + 1,
        file=path,
        content_type=sniffing.CONTENT_TYPES[arrival.kind],
        size=arrival.size,
        sha256=arrival.sha256,
    )
