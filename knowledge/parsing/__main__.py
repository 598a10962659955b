"""The process that reads one file: limits, reader, answer on standard output.

`python -m knowledge.parsing KIND PATH MEMORY_BYTES CPU_SECONDS`.
It imports nothing of Django, so that it starts fast.
"""

import importlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from knowledge.protocol import ParseError, encode, encode_failure

OPEN_FILES = 64

# kind → module, function, and whether it takes the bytes or the path.
READERS = {
    "text": ("plain", "text", True),
    "markdown": ("plain", "markdown", True),
    "csv": ("tables", "comma_separated", True),
    "html": ("web", "html", True),
    "xlsx": ("tables", "workbook", False),
    "docx": ("office", "word", False),
    "pptx": ("office", "slides", False),
    "pdf": ("portable", "pdf", False),
}


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bind this process to its memory, time and files; it may write no file at all."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(what, (most, most))


def answer(kind: str, path: Path) -> bytes:
    """Return the encoded document, or the encoded refusal."""
    module, function, takes_bytes = READERS[kind]
    try:
        read: Callable[..., Any] = getattr(
            importlib.import_module(f"knowledge.parsing.{module}"), function
        )
        return encode(read(path.read_bytes() if takes_bytes else path).parsed())
    except ParseError as failure:
        return encode_failure(failure.code)
    except (MemoryError, RecursionError):
        return encode_failure("limits")


if __name__ == "__main__":
    limit(int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.buffer.write(answer(sys.argv[1], Path(sys.argv[2])))
