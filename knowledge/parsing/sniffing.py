"""Tell what a file is by its first bytes, and whether its name tells the truth."""

import re
import struct
import zipfile
from pathlib import PurePath
from stat import S_IFLNK
from typing import IO, Any

EXTENSIONS = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".csv": "csv",
    ".tsv": "csv",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".log": "text",
}
CONTENT_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "html": "text/html",
    "markdown": "text/markdown",
    "text": "text/plain",
}
MAIN_PARTS = {
    "docx": "word/document.xml",
    "pptx": "ppt/presentation.xml",
    "xlsx": "xl/workbook.xml",
}
TEXTUAL = frozenset({"csv", "html", "markdown", "text"})
HEAD = 4096
MAX_ENTRIES = 5_000

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BINARY = (
    b"%PDF-", b"PK\x03\x04", b"PK\x05\x06", _OLE, b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM",
    b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf",
    b"Rar!", b"RIFF", b"II*\0", b"MM\0*", b"OggS", b"ID3", b"{\\rtf", b"%!PS", b"SQLite format",
)  # fmt: skip
_MARKUP = re.compile(
    rb"^\s*(?:<!--.{0,2000}?-->\s*)*<(?:!doctype|html|head|body|script|svg|\?xml|\?php)\b",
    re.I | re.S,
)
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


def kind_of(name: str) -> str | None:
    """Return the kind that the extension of `name` promises; None where it cannot be read."""
    return EXTENSIONS.get(PurePath(name.replace("\\", "/")).suffix.lower())


def agrees(kind: str, file: IO[Any]) -> bool:
    """Say whether the content of the seekable `file` is of `kind`.

    An empty file agrees with everything: that it is empty is found, and said, by the parser.
    """
    file.seek(0)
    head = file.read(HEAD)
    if not head.strip():
        return True
    if kind == "pdf":
        return b"%PDF-" in head[:1024] and not _MARKUP.match(head)
    if kind in MAIN_PARTS:
        return _is_office(kind, head, file)
    return _is_text(kind, head)


def _is_text(kind: str, head: bytes) -> bool:
    if head.startswith(_BINARY) and not _reads_as_text(head):
        return False
    if head[:4] in {b"\xff\xfe\0\0", b"\0\0\xfe\xff"} or head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True
    if kind == "html":
        return not re.match(rb"^\s*(?:<\?xml[^>]*>\s*)?<svg\b", head, re.I)
    return (
        not _MARKUP.match(head.removeprefix(b"\xef\xbb\xbf"))
        and len(_CONTROL.findall(head)) < len(head) * 0.02
    )


def _reads_as_text(head: bytes) -> bool:
    """Say whether a text only happens to begin with the two letters of an old binary format."""
    return head[:2] in {b"BM", b"MZ"} and b"\0" not in head and not _CONTROL.search(head)


def _is_office(kind: str, head: bytes, file: IO[Any]) -> bool:
    # A password turns an office file into an OLE container: the parser says so in words.
    if head.startswith(_OLE):
        return is_encrypted_office(file)
    if not head.startswith(b"PK\x03\x04"):
        return False
    if too_many_entries(file):
        return True
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        return True  # cut off in the middle: the parser says so in words
    names = {info.filename for info in infos}
    return MAIN_PARTS[kind] in names and all(_is_harmless(info) for info in infos)


def _is_harmless(info: zipfile.ZipInfo) -> bool:
    """Say whether a member is a plain file below the archive: no link, no way out."""
    link = (info.external_attr >> 16) & 0o170000 == S_IFLNK
    parts = info.filename.replace("\\", "/").split("/")
    return not link and ".." not in parts and not info.filename.startswith(("/", "\\"))


def is_encrypted_office(file: IO[Any]) -> bool:
    """Say whether an OLE container holds a password-protected office file, not an old .doc."""
    file.seek(0)
    marker = "EncryptedPackage".encode("utf-16-le")
    tail = b""
    while block := file.read(1 << 20):
        if marker in tail + block:
            return True
        tail = block[-len(marker) :]
    return False


def too_many_entries(file: IO[Any]) -> bool:
    """Say whether a zip's own directory counts more members than any office file has."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - 66_000))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 16:
        return False
    entries, directory_bytes = struct.unpack("<HI", tail[at + 10 : at + 16])
    return bool(entries > MAX_ENTRIES or directory_bytes > 4 << 20)
