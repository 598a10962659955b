"""The admin of knowledge."""

from knowledge.admin.bases import IndexedVersionAdmin, IndexGenerationAdmin, KnowledgeBaseAdmin
from knowledge.admin.documents import ChunkAdmin, DocumentAdmin, DocumentVersionAdmin

__all__ = [
    "ChunkAdmin",
    "DocumentAdmin",
    "DocumentVersionAdmin",
    "IndexGenerationAdmin",
    "IndexedVersionAdmin",
    "KnowledgeBaseAdmin",
]
