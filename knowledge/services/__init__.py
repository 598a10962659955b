"""The verbs of knowledge: bases, documents, versions, and how they are indexed anew.

Every function takes the person who asks as `actor`. What the actor may not see raises NotFound,
what the actor may see but not change raises Forbidden.
"""

from knowledge.services.bases import change_base, create_base, delete_base, reindex_base
from knowledge.services.documents import (
    Progress,
    delete_document,
    document_progress,
    reindex,
    retry,
)
from knowledge.services.rebuilding import start_reindex
from knowledge.services.uploads import accepted, max_bytes, upload

__all__ = [
    "Progress",
    "accepted",
    "change_base",
    "create_base",
    "delete_base",
    "delete_document",
    "document_progress",
    "max_bytes",
    "reindex",
    "reindex_base",
    "retry",
    "start_reindex",
    "upload",
]
