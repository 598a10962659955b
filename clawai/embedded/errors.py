"""What can go wrong with the embedded servers, each told in one line."""

import errno
from pathlib import Path


class StackError(Exception):
    """The servers cannot run here; the text says why and what to do, in one line."""


def explained(error: OSError, path: Path) -> StackError:
    """Return what `error` on `path` means to the person at the keyboard."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StackError(
            f"No permission to write to {path}: "
            "make it writable, or set CLAWAI_DATA_DIR to a directory that is."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StackError(f"The disk is full: nothing more can be written to {path}.")
    return StackError(f"{path}: {error.strerror or error}.")
