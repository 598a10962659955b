"""Knowledge: bases, documents with their versions, and the chunks that are searched."""

import uuid

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, SparseVectorField

from knowledge.querysets import DocumentQuerySet, KnowledgeBaseQuerySet

TERM_SPACE = 1_000_000_000
"""Dimensions of the sparse BM25 vectors: terms are hashed into this range (pgvector's maximum)."""


class KnowledgeBase(models.Model):
    """A set of documents that is asked together and shared together."""

    class Visibility(models.TextChoices):
        PRIVATE = "private", _("private")
        SHARED = "shared", _("shared")
        EVERYONE = "everyone", _("everyone")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("slug"), max_length=80, unique=True, allow_unicode=True)
    description = models.TextField(_("description"), blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.PROTECT,
        related_name="bases",
    )
    visibility = models.CharField(
        _("visibility"), max_length=8, choices=Visibility, default=Visibility.PRIVATE
    )
    shared_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("shared with people"),
        blank=True,
        related_name="shared_bases",
    )
    shared_groups = models.ManyToManyField(
        Group, verbose_name=_("shared with groups"), blank=True, related_name="shared_bases"
    )
    active_generation = models.ForeignKey(
        "IndexGeneration",
        verbose_name=_("index in use"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = KnowledgeBaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("knowledge base")
        verbose_name_plural = _("knowledge bases")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class IndexGeneration(models.Model):
    """One way in which a base was chunked and embedded; a new one is built beside the old."""

    class State(models.TextChoices):
        BUILDING = "building", _("being built")
        ACTIVE = "active", _("in use")
        RETIRED = "retired", _("retired")

    base = models.ForeignKey(
        KnowledgeBase,
        verbose_name=_("knowledge base"),
        on_delete=models.CASCADE,
        related_name="generations",
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.BUILDING)
    endpoint_name = models.CharField(_("embedding endpoint"), max_length=60)
    dimensions = models.PositiveSmallIntegerField(_("dimensions"))
    chunk_tokens = models.PositiveSmallIntegerField(_("tokens a chunk, at most"))
    overlap_tokens = models.PositiveSmallIntegerField(_("tokens of overlap"))
    average_terms = models.FloatField(
        _("average terms a chunk"), help_text=_("The length that BM25 counts as ordinary.")
    )
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("index generation")
        verbose_name_plural = _("index generations")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["base"],
                condition=models.Q(state="active"),
                name="generation_one_active_a_base",
            )
        ]

    def __str__(self) -> str:
        return f"{self.base} #{self.pk} ({self.endpoint_name}, {self.dimensions})"


class Document(models.Model):
    """A file in a base. The row is also the job that indexes it: status, lease, attempts."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        PROCESSING = "processing", _("processing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    base = models.ForeignKey(
        KnowledgeBase,
        verbose_name=_("knowledge base"),
        on_delete=models.CASCADE,
        related_name="documents",
    )
    name = models.CharField(_("name"), max_length=255)
    source = models.CharField(
        _("source"),
        max_length=1000,
        blank=True,
        help_text=_(
            "Where it came from (a path given to `ingest`): the same source makes a new version."
        ),
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("uploaded by"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    current_version = models.ForeignKey(
        "DocumentVersion",
        verbose_name=_("version in use"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.QUEUED)
    progress = models.PositiveSmallIntegerField(
        _("progress, percent"), default=0, validators=[MaxValueValidator(100)]
    )
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    error = models.TextField(_("error"), blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    fence = models.PositiveIntegerField(
        _("fencing token"),
        default=0,
        help_text=_("Rises with each claim; an older claimant writes nothing."),
    )
    lease_expires_at = models.DateTimeField(_("lease ends"), null=True, blank=True)
    run_after = models.DateTimeField(_("not before"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["base", "-created_at", "id"], name="document_base_time"),
            models.Index(fields=["-created_at", "id"], name="document_recent"),
            models.Index(
                fields=["status", "lease_expires_at"],
                condition=models.Q(status__in=["queued", "processing"]),
                name="document_open_jobs",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["base", "source"],
                condition=~models.Q(source=""),
                name="document_source_unique_in_base",
            ),
            models.CheckConstraint(
                condition=models.Q(progress__lte=100), name="document_progress_percent"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DocumentVersion(models.Model):
    """The bytes of a document at one time, and the text that was read from them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, related_name="versions"
    )
    number = models.PositiveIntegerField(_("number"), default=1)
    file = models.FileField(_("file"), upload_to="documents/%Y/%m/")
    content_type = models.CharField(_("type"), max_length=100)
    size = models.PositiveBigIntegerField(_("size, bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    text = models.TextField(
        _("text"),
        blank=True,
        help_text=_("What was read from the file; positions count its characters."),
    )
    outline = models.JSONField(
        _("outline"),
        default=list,
        blank=True,
        help_text=_("Blocks of the text: start, end, kind, page."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("document version")
        verbose_name_plural = _("document versions")
        ordering = ["document", "-number"]
        indexes = [models.Index(fields=["sha256"], name="version_sha256")]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "number"], name="version_number_unique_in_document"
            )
        ]

    def __str__(self) -> str:
        return f"{self.document} v{self.number}"


class Chunk(models.Model):
    """A passage of a document version, in one index generation, as it is searched.

    A chunk is found only while its version is the document's current one and its generation the
    base's active one, so both can be built beside what is in use.
    """

    id = models.BigAutoField(primary_key=True)
    base = models.ForeignKey(
        KnowledgeBase,
        verbose_name=_("knowledge base"),
        on_delete=models.CASCADE,
        related_name="+",
    )
    generation = models.ForeignKey(
        IndexGeneration,
        verbose_name=_("index generation"),
        on_delete=models.CASCADE,
        related_name="chunks",
    )
    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, related_name="chunks"
    )
    version = models.ForeignKey(
        DocumentVersion, verbose_name=_("version"), on_delete=models.CASCADE, related_name="chunks"
    )
    ordinal = models.PositiveIntegerField(_("number in the document"))
    text = models.TextField(_("text"))
    heading_path = models.CharField(_("headings"), max_length=500, blank=True)
    page = models.PositiveIntegerField(_("page"), null=True, blank=True)
    start = models.PositiveIntegerField(_("first character"))
    end = models.PositiveIntegerField(_("end character"))
    is_chinese = models.BooleanField(
        _("Chinese"),
        default=False,
        help_text=_("Words of a question in another language cannot match it."),
    )
    dimensions = models.PositiveSmallIntegerField(_("dimensions"))
    embedding = HalfVectorField(_("embedding"), null=True)
    bm25 = SparseVectorField(
        _("BM25 weights"),
        dimensions=TERM_SPACE,
        null=True,
        help_text=_("The term-frequency part of BM25."),
    )
    terms = SearchVectorField(_("terms"), null=True)

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        ordering = ["document", "ordinal"]
        indexes = [
            GinIndex(fields=["terms"], name="chunk_terms"),
            models.Index(fields=["generation", "document"], name="chunk_generation_document"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "generation", "ordinal"], name="chunk_once_a_generation"
            ),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="chunk_range_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} #{self.ordinal}"


class IndexedVersion(models.Model):
    """A document version all of whose chunks are in a generation."""

    generation = models.ForeignKey(
        IndexGeneration,
        verbose_name=_("index generation"),
        on_delete=models.CASCADE,
        related_name="indexed",
    )
    version = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("version"),
        on_delete=models.CASCADE,
        related_name="indexed",
    )
    chunks = models.PositiveIntegerField(_("chunks"))

    class Meta:
        verbose_name = _("indexed version")
        verbose_name_plural = _("indexed versions")
        ordering = ["generation", "version"]
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "version"], name="indexed_version_once_a_generation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.chunks}"


class TermFrequency(models.Model):
    """In how many chunks of a generation a term occurs: the document frequency of BM25."""

    pk = models.CompositePrimaryKey("generation_id", "term")
    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE, related_name="+")
    term = models.PositiveIntegerField(_("term's hash"))
    chunks = models.PositiveIntegerField(_("chunks"))

    class Meta:
        verbose_name = _("term frequency")
        verbose_name_plural = _("term frequencies")

    def __str__(self) -> str:
        return f"{self.term}: {self.chunks}"
