"""Why a document could not be indexed: codes, and reasons for people."""

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

REASONS: dict[str, Promise] = {
    "empty": gettext_lazy(
        "There is no text in this file. If it is a scan, run text recognition (OCR) on it first."
    ),
    "encrypted": gettext_lazy(
        "This file is protected by a password. Remove it and upload the file again."
    ),
    "malformed": gettext_lazy(
        "This file is damaged or cut off. Open it in its own program and save it again."
    ),
    "limits": gettext_lazy(
        "This file takes too much memory or time to read. Split it into smaller files."
    ),
    "unsupported": gettext_lazy("The content of this file is not of a kind that can be read."),
    "missing": gettext_lazy("The uploaded file is no longer in the storage. Upload it again."),
    "crashed": gettext_lazy(
        "Reading this file broke the worker three times. Nothing else was affected."
    ),
}


def reason(code: str, stored: str = "") -> str:
    """Return the reason for `code` in the reader's language, or what was stored with it."""
    known = REASONS.get(code)
    return (
        str(known) if known is not None else stored or (gettext("Indexing failed.") if code else "")
    )
