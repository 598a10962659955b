"""What REST takes and shows of bases, documents, passages and searches."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.serializers import RowSerializer, StrictSerializer
from knowledge.errors import reason
from knowledge.models import Chunk, Document, IndexGeneration, KnowledgeBase
from knowledge.retrieval import Passage

LONGEST_QUESTION = 2_000
MOST_PASSAGES = 50
MOST_SHARED = 500

Visibility = KnowledgeBase.Visibility


class BaseSerializer(RowSerializer[KnowledgeBase]):
    """A knowledge base; with whom it is shared is shown to those who may change it."""

    documents = serializers.IntegerField(source="document_count")
    failed = serializers.IntegerField(source="failed_count")
    size = serializers.IntegerField(help_text=_("Bytes of all documents in use."))
    editable = serializers.BooleanField(source="is_editable")
    shared_users = serializers.SerializerMethodField()
    shared_groups = serializers.SerializerMethodField()

    class Meta:
        model = KnowledgeBase
        fields = [
            "id",
            "name",
            "slug",
            "description",
            "visibility",
            "owner",
            "editable",
            "shared_users",
            "shared_groups",
            "documents",
            "failed",
            "size",
            "created_at",
            "updated_at",
        ]

    def get_shared_users(self, base: KnowledgeBase) -> list[str]:
        """Return the ids of the people it is shared with."""
        return [str(user.pk) for user in base.shared_users.all()] if self._is_mine(base) else []

    def get_shared_groups(self, base: KnowledgeBase) -> list[int]:
        """Return the ids of the groups it is shared with."""
        return [group.pk for group in base.shared_groups.all()] if self._is_mine(base) else []

    def _is_mine(self, base: KnowledgeBase) -> bool:
        return bool(getattr(base, "is_editable", False))


class BaseChanges(StrictSerializer):
    """What a person may change of a base."""

    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=5_000, allow_blank=True, required=False)
    visibility = serializers.ChoiceField(Visibility.choices, required=False)
    shared_users = serializers.ListField(
        child=serializers.UUIDField(), max_length=MOST_SHARED, required=False
    )
    shared_groups = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**31 - 1),
        max_length=MOST_SHARED,
        required=False,
    )


class BaseInput(BaseChanges):
    """What a new base is made of."""

    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=80, allow_unicode=True, required=False)


class GenerationSerializer(RowSerializer[IndexGeneration]):
    """A way in which a base is indexed."""

    class Meta:
        model = IndexGeneration
        fields = ["id", "base", "state", "endpoint_name", "dimensions", "chunk_count", "created_at"]


class ErrorSerializer(serializers.Serializer[Any]):
    """Why a document failed."""

    code = serializers.CharField()
    detail = serializers.CharField(help_text=_("In the language of the reader."))


class DocumentSerializer(RowSerializer[Document]):
    """A document, with the figures of its newest version."""

    error = serializers.SerializerMethodField()
    version_number = serializers.IntegerField(source="newest_number")
    size = serializers.IntegerField(source="newest_size")
    content_type = serializers.CharField(source="newest_type")
    chunks = serializers.IntegerField(
        source="chunk_count", help_text=_("Passages of the version in use.")
    )

    class Meta:
        model = Document
        fields = [
            "id",
            "base",
            "name",
            "source",
            "status",
            "progress",
            "error",
            "attempts",
            "current_version",
            "version_number",
            "size",
            "content_type",
            "chunks",
            "created_at",
            "updated_at",
        ]

    def get_error(self, document: Document) -> dict[str, str] | None:
        """Return `{"code", "detail"}` of a failed document."""
        if not document.error_code:
            return None
        detail = reason(document.error_code, document.error)
        return {"code": document.error_code, "detail": detail}


class UploadInput(StrictSerializer):
    """A file, and where it comes from."""

    file = serializers.FileField(allow_empty_file=True, max_length=None)
    source = serializers.CharField(  # type: ignore[assignment]  # a field of the form, by that name
        max_length=1000,
        required=False,
        allow_blank=True,
        help_text=_("The same source with other bytes makes a new version of the document."),
    )


class ChunkSerializer(RowSerializer[Chunk]):
    """A passage of a document; positions count the characters of the version's text."""

    class Meta:
        model = Chunk
        fields = [
            "id",
            "document",
            "version",
            "ordinal",
            "text",
            "heading_path",
            "page",
            "start",
            "end",
        ]


class SearchInput(StrictSerializer):
    """A question to one base."""

    query = serializers.CharField(max_length=LONGEST_QUESTION)
    top_k = serializers.IntegerField(min_value=1, max_value=MOST_PASSAGES, required=False)
    mode = serializers.ChoiceField(["hybrid", "vector", "text"], default="hybrid")


class HitSerializer(serializers.Serializer[Passage]):
    """A passage that was found; its ranks count from 1 in each leg, null where it was not found."""

    chunk = serializers.IntegerField(source="chunk_id")
    document = serializers.UUIDField(source="document_id")
    document_name = serializers.CharField()
    version = serializers.UUIDField(source="version_id")
    version_number = serializers.IntegerField()
    text = serializers.CharField()
    heading_path = serializers.CharField()
    page = serializers.IntegerField(allow_null=True)
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    score = serializers.FloatField()
    rank_vector = serializers.IntegerField(allow_null=True)
    rank_text = serializers.IntegerField(allow_null=True)
    matched_terms = serializers.ListField(child=serializers.CharField())


class SearchResult(serializers.Serializer[Any]):
    """The passages, best first; `degraded`: by words alone, no vector could be made."""

    hits = HitSerializer(many=True)
    degraded = serializers.BooleanField()
