"""Open office files, which are zips of XML, without falling for what a zip or XML can do."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lxml import etree

from knowledge.parsing.sniffing import (
    MAIN_PARTS,
    MAX_ENTRIES,
    is_encrypted_office,
    too_many_entries,
)
from knowledge.protocol import ParseError

MAX_PART_BYTES = 64 << 20
MAX_TOTAL_BYTES = 256 << 20
MAX_RATIO = 150
RATIO_MATTERS_ABOVE = 8 << 20
PROLOG = 64 * 1024

_DOCTYPES = tuple("<!DOCTYPE".encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be"))
_XML = (".xml", ".rels", ".vml")


@contextmanager
def checked(path: Path, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open an office file of `kind` whose sizes and XML have been looked at first.

    Raises:
        ParseError: `encrypted`, `limits` for bombs, `malformed` for what is cut off or brings
            its own document type (entities), `unsupported` for another kind of zip.
    """
    with path.open("rb") as file:
        if file.read(4) == b"\xd0\xcf\x11\xe0":
            raise ParseError("encrypted" if is_encrypted_office(file) else "unsupported")
        if too_many_entries(file):
            raise ParseError("limits")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive.infolist())
            if MAIN_PARTS[kind] not in archive.namelist():
                raise ParseError("unsupported")
            _check_document_types(archive)
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        KeyError,
        etree.XMLSyntaxError,
    ):
        raise ParseError("malformed") from None


def _check_sizes(infos: list[zipfile.ZipInfo]) -> None:
    """Refuse bombs by what the directory declares; zipfile reads no byte more than declared."""
    if len(infos) > MAX_ENTRIES or sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise ParseError("limits")
    for info in infos:
        ratio = info.file_size / max(info.compress_size, 1)
        if info.filename.endswith(_XML) and info.file_size > MAX_PART_BYTES:
            raise ParseError("limits")
        if info.file_size > RATIO_MATTERS_ABOVE and ratio > MAX_RATIO:
            raise ParseError("limits")
        if info.flag_bits & 1:
            raise ParseError("encrypted")


def _check_document_types(archive: zipfile.ZipFile) -> None:
    """Refuse XML with a document type: office files have none, entity attacks need one."""
    for info in archive.infolist():
        if info.filename.endswith(_XML):
            with archive.open(info) as stream:
                prolog = stream.read(PROLOG)
            if any(mark in prolog for mark in _DOCTYPES):
                raise ParseError("malformed")


def xml(archive: zipfile.ZipFile, name: str) -> etree._Element:
    """Return the root of a part; entities stay unresolved and nothing is fetched."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(archive.read(name), parser)


def relations(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Return relation id → (last word of its type, path of the target part) of `part`."""
    folder, name = PurePosixPath(part).parent, PurePosixPath(part).name
    path = str(folder / "_rels" / f"{name}.rels")
    if path not in archive.namelist():
        return {}
    return {
        element.get("Id", ""): (
            element.get("Type", "").rsplit("/", 1)[-1],
            _resolved(folder, element.get("Target", "")),
        )
        for element in xml(archive, path)
        if element.get("TargetMode") != "External"
    }


def _resolved(folder: PurePosixPath, target: str) -> str:
    if target.startswith("/"):
        return target[1:]
    parts: list[str] = []
    for part in (folder / target).parts:
        if part == "..":
            parts[-1:] = []
        else:
            parts.append(part)
    return "/".join(parts)
