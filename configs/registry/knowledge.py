"""Settings of what is found, and of what is taken in."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from configs.registry.setting import Group, Setting

# --- Retrieval --------------------------------------------------------------------------
RETRIEVAL_TOP_K: Final = Setting(
    "retrieval.top_k", 6, _("Passages given to the model with a question."),
    Group.RETRIEVAL, minimum=1, maximum=50,
)  # fmt: skip
RETRIEVAL_CANDIDATES: Final = Setting(
    "retrieval.candidates", 50, _("Passages that each leg of the search proposes."),
    Group.RETRIEVAL, minimum=10, maximum=500,
)  # fmt: skip
RETRIEVAL_TEXT_WEIGHT: Final = Setting(
    "retrieval.text_weight", 0.3, _("Weight of the words against the meaning: 0 to 1."),
    Group.RETRIEVAL, minimum=0, maximum=1,
)  # fmt: skip
RETRIEVAL_CONTEXT_TOKENS: Final = Setting(
    "retrieval.context_tokens", 3000, _("Tokens that all passages of a question may have."),
    Group.RETRIEVAL, minimum=200, maximum=200_000,
)  # fmt: skip
RETRIEVAL_RERANK: Final = Setting(
    "retrieval.rerank", False, _("Let a reranking endpoint put the passages in order."),
    Group.RETRIEVAL,
)  # fmt: skip
EMBEDDING_ENDPOINT: Final = Setting(
    "retrieval.embedding_endpoint", "local-e5",
    _("Name of the endpoint that makes vectors of new documents."),
    Group.RETRIEVAL, required=True,
)  # fmt: skip

# --- Cutting documents ------------------------------------------------------------------
CHUNKING_TOKENS: Final = Setting(
    "chunking.tokens", 256, _("Tokens of a passage, at most."),
    Group.CHUNKING, minimum=64, maximum=1024,
)  # fmt: skip
CHUNKING_OVERLAP: Final = Setting(
    "chunking.overlap", 32, _("Tokens that neighbouring passages share."),
    Group.CHUNKING, minimum=0, maximum=512,
)  # fmt: skip

# --- Uploads ----------------------------------------------------------------------------
UPLOADS_MAX_MB: Final = Setting(
    "uploads.max_mb", 50, _("Megabytes that a file may have."),
    Group.UPLOADS, minimum=1, maximum=1024, public=True, per_role=True,
)  # fmt: skip
UPLOADS_PARSE_SECONDS: Final = Setting(
    "uploads.parse_seconds", 120, _("Seconds that reading one file may take."),
    Group.UPLOADS, minimum=5, maximum=1800,
)  # fmt: skip
UPLOADS_PARSE_MEMORY_MB: Final = Setting(
    "uploads.parse_memory_mb", 1024, _("Megabytes of memory that reading one file may take."),
    Group.UPLOADS, minimum=256, maximum=16_384,
)  # fmt: skip
INDEXING_ATTEMPTS: Final = Setting(
    "uploads.indexing_attempts", 3, _("Attempts at indexing a document before it is given up."),
    Group.UPLOADS, minimum=1, maximum=10,
)  # fmt: skip
