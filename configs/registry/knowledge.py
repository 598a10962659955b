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
RETRIEVAL_RERANKED: Final = Setting(
    "retrieval.reranked", 50, _("Passages that a reranking endpoint is asked to put in order."),
    Group.RETRIEVAL, minimum=2, maximum=200,
)  # fmt: skip
RETRIEVAL_EF_SEARCH: Final = Setting(
    "retrieval.ef_search", 200,
    _("Neighbours that the vector index looks at, at least: more finds more and takes longer."),
    Group.RETRIEVAL, minimum=40, maximum=1000,
)  # fmt: skip
RETRIEVAL_SCAN_ROWS: Final = Setting(
    "retrieval.scan_rows", 40_000,
    _("Rows that the vector index visits before everything is measured instead."),
    Group.RETRIEVAL, minimum=1000, maximum=1_000_000,
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
UPLOADS_KINDS: Final = Setting(
    "uploads.kinds", ("pdf", "docx", "pptx", "xlsx", "csv", "html", "markdown", "text"),
    _("Kinds of files that are taken in."),
    Group.UPLOADS, minimum=1,
    choices=("pdf", "docx", "pptx", "xlsx", "csv", "html", "markdown", "text"),
)  # fmt: skip
UPLOADS_MAX_PAGES: Final = Setting(
    "uploads.max_pages", 5_000, _("Pages that a file may have, where it has pages."),
    Group.UPLOADS, minimum=1, maximum=5_000,
)  # fmt: skip
UPLOADS_MAX_CHARACTERS: Final = Setting(
    "uploads.max_characters", 10_000_000, _("Characters of text that a file may have."),
    Group.UPLOADS, minimum=10_000, maximum=10_000_000,
)  # fmt: skip
UPLOADS_PARSE_SECONDS: Final = Setting(
    "uploads.parse_seconds", 120, _("Seconds that reading one file may take."),
    Group.UPLOADS, minimum=5, maximum=1800,
)  # fmt: skip
UPLOADS_PARSE_MEMORY_MB: Final = Setting(
    "uploads.parse_memory_mb", 1024, _("Megabytes of memory that reading one file may take."),
    Group.UPLOADS, minimum=256, maximum=16_384,
)  # fmt: skip
INDEXING_LEASE_SECONDS: Final = Setting(
    "uploads.lease_seconds", 60,
    _("Seconds without a sign of life before another worker takes a document over."),
    Group.UPLOADS, minimum=15, maximum=600,
)  # fmt: skip
INDEXING_ATTEMPTS: Final = Setting(
    "uploads.indexing_attempts", 3, _("Attempts at indexing a document before it is given up."),
    Group.UPLOADS, minimum=1, maximum=10,
)  # fmt: skip
