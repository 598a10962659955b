"""REST: knowledge bases, documents, passages, search."""

from typing import Any
from uuid import UUID

from django.core.files.uploadhandler import FileUploadHandler
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope
from accounts.rest import RestView, caller, valid
from configs.errors import NotFound, TooLarge
from knowledge import services
from knowledge.models import Chunk, Document, IndexGeneration, KnowledgeBase
from knowledge.retrieval import retrieve
from knowledge.serializers import (
    BaseChanges,
    BaseInput,
    BaseSerializer,
    ChunkSerializer,
    DocumentSerializer,
    GenerationSerializer,
    SearchInput,
    SearchResult,
    UploadInput,
)

READING = {"GET": Scope.KNOWLEDGE_READ}
WRITING = dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), Scope.KNOWLEDGE_WRITE)

FORM_OVERHEAD_BYTES = 64 * 1024
"""What a form may weigh beside its file."""


def _bases(request: Request) -> QuerySet[KnowledgeBase]:
    user = caller(request)
    rows = KnowledgeBase.objects.visible_to(user).described_for(user)
    return rows.prefetch_related("shared_users", "shared_groups")


def _base(request: Request, pk: UUID) -> KnowledgeBase:
    row = _bases(request).filter(pk=pk).first()
    if row is None:
        raise NotFound
    return row


def _base_exists(request: Request, pk: UUID) -> None:
    if not KnowledgeBase.objects.visible_to(caller(request)).filter(pk=pk).exists():
        raise NotFound


def _document(request: Request, pk: UUID) -> Document:
    row = Document.objects.visible_to(caller(request)).described().filter(pk=pk).first()
    if row is None:
        raise NotFound
    return row


@extend_schema(tags=["knowledge"])
class BasesView(RestView[KnowledgeBase]):
    """The knowledge bases that the caller may read."""

    scope = READING | WRITING

    serializer_class = BaseSerializer
    ordering = ("-created_at", "id")
    query_params = ()

    def get(self, request: Request) -> Response:
        """List them, the newest first."""
        page = self.paginate_queryset(_bases(request))
        return self.get_paginated_response(BaseSerializer(page, many=True).data)

    @extend_schema(request=BaseInput, responses={201: BaseSerializer})
    def post(self, request: Request) -> Response:
        """Make one."""
        values = valid(BaseInput, request)
        made = services.create_base(actor=caller(request), **values)
        return Response(BaseSerializer(_base(request, made.pk)).data, status.HTTP_201_CREATED)


@extend_schema(tags=["knowledge"])
class BaseView(RestView[KnowledgeBase]):
    """One knowledge base."""

    scope = READING | WRITING

    serializer_class = BaseSerializer

    def get(self, request: Request, pk: UUID) -> Response:
        """Show it."""
        return Response(BaseSerializer(_base(request, pk)).data)

    @extend_schema(request=BaseChanges, responses=BaseSerializer)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change what is given."""
        _base_exists(request, pk)
        values = valid(BaseChanges, request)
        services.change_base(actor=caller(request), base_id=pk, **values)
        return Response(BaseSerializer(_base(request, pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete it with its documents."""
        services.delete_base(actor=caller(request), base_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["knowledge"])
class BaseReindexView(RestView[IndexGeneration]):
    """Build the index of a base anew; the one in use is searched until then."""

    scope = READING | WRITING

    serializer_class = GenerationSerializer

    @extend_schema(request=None, responses={202: GenerationSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Begin."""
        made = services.reindex_base(actor=caller(request), base_id=pk)
        return Response(GenerationSerializer(made).data, status.HTTP_202_ACCEPTED)


class BoundedUpload(FileUploadHandler):
    """Stops reading a form as soon as it is over the limit: nothing more reaches the disk."""

    def handle_raw_input(self, _input: Any, _meta: Any, length: int, *_args: Any) -> None:
        """Refuse a form that says itself that it is too large."""
        self._limit = services.max_bytes()
        self._left = self._limit + FORM_OVERHEAD_BYTES
        if length > self._left:
            self._refuse()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Count, and pass on to the handlers that store."""
        self._left -= len(raw_data)
        if self._left < 0:
            self._refuse()
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the handlers that store."""

    def _refuse(self) -> None:
        raise TooLarge(_("A file may have at most %d MB.") % (self._limit >> 20))


@extend_schema(tags=["knowledge"])
class DocumentsView(RestView[Document]):
    """The documents of a base."""

    scope = READING | WRITING

    serializer_class = DocumentSerializer
    parser_classes = [MultiPartParser]
    ordering = ("-created_at", "id")
    query_params = ()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Bound the form before anything, the CSRF check included, reads it."""
        request.upload_handlers.insert(0, BoundedUpload(request))
        return super().initialize_request(request, *args, **kwargs)

    def get(self, request: Request, pk: UUID) -> Response:
        """List them, the newest first."""
        _base_exists(request, pk)
        rows = Document.objects.visible_to(caller(request)).filter(base_id=pk).described()
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(DocumentSerializer(page, many=True).data)

    @extend_schema(
        request={"multipart/form-data": UploadInput},
        responses={202: DocumentSerializer, 200: DocumentSerializer},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Upload a file: 202, and it is indexed; 200 when the base has the same bytes already."""
        _base_exists(request, pk)
        values = valid(UploadInput, request)
        document, created = services.upload(actor=caller(request), base_id=pk, **values)
        answer = DocumentSerializer(_document(request, document.pk)).data
        return Response(answer, status.HTTP_202_ACCEPTED if created else status.HTTP_200_OK)


@extend_schema(tags=["knowledge"])
class DocumentView(RestView[Document]):
    """One document."""

    scope = READING | WRITING

    serializer_class = DocumentSerializer

    def get(self, request: Request, pk: UUID) -> Response:
        """Show it."""
        return Response(DocumentSerializer(_document(request, pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete it with its versions and passages; answers keep what they quoted."""
        services.delete_document(actor=caller(request), document_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["knowledge"])
class DocumentReindexView(RestView[Document]):
    """Read a document again, or let a failed one go on."""

    scope = READING | WRITING

    serializer_class = DocumentSerializer

    @extend_schema(request=None, responses={202: DocumentSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Begin; what is in use is searched until then."""
        services.reindex(actor=caller(request), document_id=pk)
        return Response(DocumentSerializer(_document(request, pk)).data, status.HTTP_202_ACCEPTED)


@extend_schema(tags=["knowledge"])
class ChunksView(RestView[Chunk]):
    """The passages of the version in use."""

    scope = READING | WRITING

    serializer_class = ChunkSerializer
    ordering = ("ordinal", "id")
    query_params = ()

    def get(self, request: Request, pk: UUID) -> Response:
        """List them in the order of the text."""
        document = _document(request, pk)
        rows = Chunk.objects.filter(
            document=document,
            version=document.current_version_id,
            generation__state="active",
        ).only(*ChunkSerializer.Meta.fields)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(ChunkSerializer(page, many=True).data)


@extend_schema(tags=["knowledge"])
class SearchView(RestView[KnowledgeBase]):
    """The passages of a base that answer a question."""

    scope = Scope.KNOWLEDGE_READ

    serializer_class = SearchResult

    @extend_schema(request=SearchInput, responses=SearchResult)
    def post(self, request: Request, pk: UUID) -> Response:
        """Search."""
        _base_exists(request, pk)
        values = valid(SearchInput, request)
        found = retrieve(
            values["query"],
            user=caller(request),
            bases=[pk],
            limit=values.get("top_k"),
            mode=values["mode"],
        )
        answer = {"hits": found.passages, "degraded": found.degraded}
        return Response(SearchResult(answer).data)
