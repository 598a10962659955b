"""Conversations: a tree of messages; a reply's row is also the leased job that writes it."""

import uuid
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.protocol import Json
from conversations.querysets import ConversationQuerySet, MessageQuerySet
from knowledge.models import Document, DocumentVersion, KnowledgeBase


def _text(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _milliseconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(0, round((end - start).total_seconds() * 1000))


class Conversation(models.Model):
    """One person's thread of questions and replies."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="conversations",
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    titled_by_owner = models.BooleanField(_("named by its owner"), default=False)
    pinned = models.BooleanField(_("pinned"), default=False)
    archived = models.BooleanField(_("archived"), default=False)
    knowledge_bases = models.ManyToManyField(
        KnowledgeBase, verbose_name=_("knowledge bases asked"), blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last used"), auto_now_add=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated_at", "id"]
        indexes = [
            models.Index(
                fields=["owner", "-updated_at", "id"],
                condition=models.Q(deleted_at=None),
                name="conversation_owner_recent",
            ),
            # The lists of the administration, which show everybody's.
            models.Index(fields=["-updated_at", "id"], name="conversation_recent"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.pk)

    def to_json(self) -> Json:
        """Return the conversation as REST and WebSocket show it; prefetch `knowledge_bases`."""
        return {
            "id": str(self.pk),
            "title": self.title,
            "pinned": self.pinned,
            "archived": self.archived,
            "knowledge_bases": [str(base.pk) for base in self.knowledge_bases.all()],
            "created_at": _moment(self.created_at),
            "updated_at": _moment(self.updated_at),
        }


class Message(models.Model):
    """A question or a reply. Siblings under one `parent` are branches.

    `epoch` is the fencing token of the work on a reply: it is 1 at first and rises whenever the
    work is taken away from a worker and started afresh. While a reply is queued,
    `lease_expires_at` is when to nudge the workers again; afterwards it is when the claim runs out.
    `content` holds the text of the events 1..`seq` of the epoch, and is the truth when the
    stream's log has gone.
    Event 1 of every epoch is the stage "queued"; the last one (done or failed) has number `seq`.
    """

    class Role(models.TextChoices):
        USER = "user", _("question")
        ASSISTANT = "assistant", _("reply")

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RETRIEVING = "retrieving", _("searching")
        GENERATING = "generating", _("writing")
        COMPLETE = "complete", _("complete")
        STOPPED = "stopped", _("stopped")
        INTERRUPTED = "interrupted", _("interrupted")
        FAILED = "failed", _("failed")

    CLAIMED = (Status.RETRIEVING, Status.GENERATING)
    OPEN = (Status.QUEUED, *CLAIMED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        verbose_name=_("conversation"),
        on_delete=models.CASCADE,
        related_name="messages",
    )
    parent = models.ForeignKey(
        "self",
        verbose_name=_("answers"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="children",
    )
    role = models.CharField(_("role"), max_length=9, choices=Role)
    content = models.TextField(_("text"), blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    # A question
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    client_id = models.CharField(
        _("client's id"),
        max_length=64,
        blank=True,
        help_text=_("A resend with the same id is not a new question."),
    )
    knowledge_bases = ArrayField(
        models.UUIDField(),
        verbose_name=_("knowledge bases asked"),
        null=True,
        blank=True,
        help_text=_(
            "Empty list: none. Null: those of the conversation, or all that the author may read."
        ),
    )

    # A reply, as a job
    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.COMPLETE)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    seq = models.PositiveIntegerField(_("events in the text"), default=0)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_expires_at = models.DateTimeField(_("lease ends"), null=True, blank=True)
    stop_requested_at = models.DateTimeField(_("asked to stop"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    error = models.TextField(_("error"), blank=True)
    error_retryable = models.BooleanField(_("trying again may help"), default=False)

    # A reply, as a record
    endpoint_name = models.CharField(_("endpoint"), max_length=60, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    config_version = models.PositiveBigIntegerField(_("config version"), null=True, blank=True)
    prompt_version = models.PositiveIntegerField(_("prompt version"), null=True, blank=True)
    prompt_tokens = models.PositiveIntegerField(_("tokens in"), null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(_("tokens out"), null=True, blank=True)
    usage_exact = models.BooleanField(_("tokens counted by the provider"), default=False)
    made_with = models.JSONField(
        _("what the prompt was filled with"),
        null=True,
        blank=True,
        help_text=_("What it takes to build the prompt once more, and its SHA-256."),
    )
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    first_token_at = models.DateTimeField(_("first words"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(
                fields=["conversation", "created_at", "id"], name="message_conversation_time"
            ),
            models.Index(
                fields=["status", "lease_expires_at"],
                condition=models.Q(status__in=["queued", "retrieving", "generating"]),
                name="message_open_jobs",
            ),
            models.Index(
                fields=["conversation", "created_at", "id"],
                condition=models.Q(status__in=["queued", "retrieving", "generating"]),
                name="message_open_in_conversation",
            ),
            # The lists of the administration, and there the few that did not go well.
            models.Index(fields=["-created_at", "id"], name="message_recent"),
            models.Index(
                fields=["status", "-created_at", "id"],
                condition=~models.Q(status="complete"),
                name="message_not_complete",
            ),
            # What the dashboard counts, without reading a row.
            models.Index(
                fields=["created_at"],
                condition=models.Q(role="assistant"),
                include=[
                    "conversation",
                    "status",
                    "first_token_at",
                    "prompt_tokens",
                    "completion_tokens",
                    "endpoint_name",
                    "model",
                ],
                name="message_reply_time",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["author", "client_id"],
                condition=~models.Q(client_id=""),
                name="message_client_id_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether the reply is still to be written."""
        return self.status in self.OPEN

    def to_json(self) -> Json:
        """Return the message as REST and WebSocket show it.

        Prefetch `citations` and select `feedback`.
        """
        feedback = getattr(self, "feedback", None)
        return {
            "id": str(self.pk),
            "conversation": str(self.conversation_id),
            "parent": _text(self.parent_id),
            "role": self.role,
            "content": self.content,
            "status": self.status,
            "created_at": _moment(self.created_at),
            "citations": [citation.to_json() for citation in self.citations.all()],
            "usage": self._usage(),
            "timing": self._timing(),
            "feedback": feedback.to_json() if feedback else None,
            "model": self.model,
            "endpoint": self.endpoint_name,
            "config_version": self.config_version,
            "prompt_version": self.prompt_version,
            "error": self.error_json(),
            "epoch": self.epoch,
            "seq": self.seq,
            "knowledge_bases": None
            if self.knowledge_bases is None
            else [str(base) for base in self.knowledge_bases],
        }

    def error_json(self) -> Json | None:
        """Return what went wrong, or nothing."""
        if not self.error_code:
            return None
        return {"code": self.error_code, "detail": self.error, "retryable": self.error_retryable}

    def _usage(self) -> Json | None:
        if self.prompt_tokens is None:
            return None
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens or 0,
            "exact": self.usage_exact,
        }

    def _timing(self) -> Json | None:
        if self.role != self.Role.ASSISTANT or not self.finished_at:
            return None
        return {
            "first_token_ms": _milliseconds(self.created_at, self.first_token_at),
            "total_ms": _milliseconds(self.created_at, self.finished_at),
        }


class Citation(models.Model):
    """A passage that a reply rests on, pinned to a document version and its characters.

    The quote and its hash stay true when the document changes or goes.
    """

    message = models.ForeignKey(
        Message, verbose_name=_("message"), on_delete=models.CASCADE, related_name="citations"
    )
    number = models.PositiveSmallIntegerField(_("number"))
    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="citations",
    )
    version = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("version"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="citations",
    )
    document_name = models.CharField(_("document's name then"), max_length=255)
    version_number = models.PositiveIntegerField(_("version then"))
    start = models.PositiveIntegerField(_("first character"))
    end = models.PositiveIntegerField(_("end character"))
    page = models.PositiveIntegerField(_("page"), null=True, blank=True)
    heading_path = models.CharField(_("headings"), max_length=500, blank=True)
    quote = models.TextField(_("quote"))
    quote_sha256 = models.CharField(_("quote's SHA-256"), max_length=64)
    score = models.FloatField(_("score"))
    rank_vector = models.PositiveIntegerField(_("rank by meaning"), null=True, blank=True)
    rank_text = models.PositiveIntegerField(_("rank by words"), null=True, blank=True)
    matched_terms = ArrayField(
        models.CharField(max_length=100), verbose_name=_("words matched"), default=list, blank=True
    )

    class Meta:
        verbose_name = _("citation")
        verbose_name_plural = _("citations")
        ordering = ["message", "number"]
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="citation_number_once")
        ]
        indexes = [
            models.Index(fields=["document", "-id"], name="citation_document_newest"),
            models.Index(fields=["version", "-id"], name="citation_version_newest"),
        ]

    def __str__(self) -> str:
        return f"[{self.number}] {self.document_name}"

    def to_json(self) -> Json:
        """Return the citation as REST and WebSocket show it."""
        return {
            "number": self.number,
            "document": _text(self.document_id),
            "document_name": self.document_name,
            "version": _text(self.version_id),
            "version_number": self.version_number,
            "page": self.page,
            "heading_path": self.heading_path,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "score": self.score,
            "rank_vector": self.rank_vector,
            "rank_text": self.rank_text,
            "matched_terms": self.matched_terms,
        }


class Feedback(models.Model):
    """What the asker thought of a reply."""

    class Rating(models.IntegerChoices):
        GOOD = 1, _("good")
        BAD = -1, _("bad")

    message = models.OneToOneField(
        Message, verbose_name=_("message"), on_delete=models.CASCADE, related_name="feedback"
    )
    rating = models.SmallIntegerField(_("rating"), choices=Rating)
    comment = models.TextField(_("comment"), blank=True, max_length=2000)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.get_rating_display()}: {self.message_id}"

    def to_json(self) -> Json:
        """Return the feedback as REST shows it."""
        return {"rating": self.rating, "comment": self.comment}
