"""Rows with sensible defaults, for tests."""

from functools import cache
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from factory.django import DjangoModelFactory

from accounts.models import ApiKey, User
from configs.models import Config, ModelEndpoint, PromptTemplate
from conversations.models import Citation, Conversation, Feedback, Message
from knowledge.models import Document, DocumentVersion, IndexGeneration, KnowledgeBase

PASSWORD = "correct horse battery staple 9"


@cache
def hashed_password() -> str:
    """Return `PASSWORD` as it is stored; hashing it for every person would take most of a run."""
    return make_password(PASSWORD)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        password = kwargs.pop("password", None)
        user = model_class.objects.create_user(*args, password=password, **kwargs)
        if password is None:
            user.password = hashed_password()
            user.save(update_fields=["password"])
        return user


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    class Meta:
        model = ApiKey

    owner = factory.SubFactory(UserFactory)
    name = "script"
    prefix = "claw_abcdef"
    digest = factory.Sequence(lambda n: f"{n:064x}")
    scopes = ["chat"]


class KnowledgeBaseFactory(DjangoModelFactory[KnowledgeBase]):
    class Meta:
        model = KnowledgeBase

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Base {n}")
    slug = factory.Sequence(lambda n: f"base-{n}")


class IndexGenerationFactory(DjangoModelFactory[IndexGeneration]):
    class Meta:
        model = IndexGeneration

    base = factory.SubFactory(KnowledgeBaseFactory)
    state = IndexGeneration.State.ACTIVE
    endpoint_name = "local"
    dimensions = 384
    chunk_tokens = 400
    overlap_tokens = 40
    average_terms = 100.0


class DocumentFactory(DjangoModelFactory[Document]):
    class Meta:
        model = Document

    base = factory.SubFactory(KnowledgeBaseFactory)
    name = factory.Sequence(lambda n: f"document-{n}.md")
    uploaded_by = factory.SelfAttribute("base.owner")


class DocumentVersionFactory(DjangoModelFactory[DocumentVersion]):
    class Meta:
        model = DocumentVersion

    document = factory.SubFactory(DocumentFactory)
    number = 1
    file = "documents/none.md"
    content_type = "text/markdown"
    size = 12
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    text = "Hello, world"


class ConversationFactory(DjangoModelFactory[Conversation]):
    class Meta:
        model = Conversation

    owner = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"Conversation {n}")


class QuestionFactory(DjangoModelFactory[Message]):
    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    role = Message.Role.USER
    author = factory.SelfAttribute("conversation.owner")
    content = "What is CLAW.AI?"


class ReplyFactory(DjangoModelFactory[Message]):
    class Meta:
        model = Message

    parent = factory.SubFactory(QuestionFactory)
    conversation = factory.SelfAttribute("parent.conversation")
    role = Message.Role.ASSISTANT
    content = "An assistant [1]."


class CitationFactory(DjangoModelFactory[Citation]):
    class Meta:
        model = Citation

    message = factory.SubFactory(ReplyFactory)
    number = 1
    version = factory.SubFactory(DocumentVersionFactory)
    document = factory.SelfAttribute("version.document")
    document_name = factory.SelfAttribute("document.name")
    version_number = factory.SelfAttribute("version.number")
    start = 0
    end = 5
    quote = "Hello"
    quote_sha256 = "0" * 64
    score = 0.5


class FeedbackFactory(DjangoModelFactory[Feedback]):
    class Meta:
        model = Feedback

    message = factory.SubFactory(ReplyFactory)
    rating = Feedback.Rating.GOOD


class ConfigFactory(DjangoModelFactory[Config]):
    class Meta:
        model = Config

    key = factory.Sequence(lambda n: f"test.setting{n}")
    value = "1"


class ModelEndpointFactory(DjangoModelFactory[ModelEndpoint]):
    class Meta:
        model = ModelEndpoint

    name = factory.Sequence(lambda n: f"endpoint-{n}")
    kind = ModelEndpoint.Kind.CHAT
    provider = ModelEndpoint.Provider.FAKE


class PromptTemplateFactory(DjangoModelFactory[PromptTemplate]):
    class Meta:
        model = PromptTemplate

    name = factory.Sequence(lambda n: f"prompt-{n}")
    text = "Answer from {passages}."
