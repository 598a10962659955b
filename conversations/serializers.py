"""What REST takes and shows of conversations and messages."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.serializers import StrictSerializer
from conversations import protocol
from conversations.models import Feedback, Message


class AsJson(serializers.Serializer[Any]):
    """Shows an object as its own `to_json` does; the fields stand for the documentation."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the object as the WebSocket shows it too."""
        shown: dict[str, Any] = instance.to_json()
        return shown


class ConversationSerializer(AsJson):
    """A conversation."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    pinned = serializers.BooleanField()
    archived = serializers.BooleanField()
    knowledge_bases = serializers.ListField(child=serializers.UUIDField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ConversationInput(StrictSerializer):
    """What a person may set of a conversation."""

    title = serializers.CharField(max_length=200, allow_blank=True, required=False)
    knowledge_bases = serializers.ListField(
        child=serializers.UUIDField(), max_length=protocol.MAX_BASES, required=False
    )


class ConversationChanges(ConversationInput):
    """What a person may change of a conversation."""

    pinned = serializers.BooleanField(required=False)
    archived = serializers.BooleanField(required=False)


class CitationSerializer(AsJson):
    """A passage that a reply rests on."""

    number = serializers.IntegerField()
    document = serializers.UUIDField(allow_null=True)
    document_name = serializers.CharField()
    version = serializers.UUIDField(allow_null=True)
    version_number = serializers.IntegerField()
    page = serializers.IntegerField(allow_null=True)
    heading_path = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    quote = serializers.CharField()
    score = serializers.FloatField()
    rank_vector = serializers.IntegerField(allow_null=True)
    rank_text = serializers.IntegerField(allow_null=True)
    matched_terms = serializers.ListField(child=serializers.CharField())


class UsageSerializer(serializers.Serializer[Any]):
    """Tokens of a reply; `exact` where the provider counted them."""

    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    exact = serializers.BooleanField()


class TimingSerializer(serializers.Serializer[Any]):
    """How long a reply took, counted from the question."""

    first_token_ms = serializers.IntegerField(allow_null=True)
    total_ms = serializers.IntegerField()


class ErrorSerializer(serializers.Serializer[Any]):
    """Why a reply failed or was interrupted."""

    code = serializers.CharField()
    detail = serializers.CharField()
    retryable = serializers.BooleanField()


class FeedbackSerializer(AsJson):
    """What the asker thinks of a reply."""

    rating = serializers.ChoiceField(choices=Feedback.Rating.choices)
    comment = serializers.CharField()


class MessageSerializer(AsJson):
    """A question or a reply."""

    id = serializers.UUIDField()
    conversation = serializers.UUIDField()
    parent = serializers.UUIDField(allow_null=True)  # type: ignore[assignment]  # a field's name
    role = serializers.ChoiceField(choices=Message.Role.choices)
    content = serializers.CharField()
    status = serializers.ChoiceField(choices=Message.Status.choices)
    created_at = serializers.DateTimeField()
    citations = CitationSerializer(many=True)
    usage = UsageSerializer(allow_null=True)
    timing = TimingSerializer(allow_null=True)
    feedback = FeedbackSerializer(allow_null=True)
    model = serializers.CharField()
    endpoint = serializers.CharField()
    config_version = serializers.IntegerField(allow_null=True)
    prompt_version = serializers.IntegerField(allow_null=True)
    error = ErrorSerializer(allow_null=True)
    epoch = serializers.IntegerField()
    seq = serializers.IntegerField()
    knowledge_bases = serializers.ListField(child=serializers.UUIDField(), allow_null=True)


class AskedSerializer(serializers.Serializer[Any]):
    """A question that was stored, with its reply to come."""

    message = MessageSerializer()
    reply = MessageSerializer()


class QuestionInput(StrictSerializer):
    """A question."""

    content = serializers.CharField(max_length=protocol.MAX_CONTENT, trim_whitespace=False)
    client_id = serializers.CharField(
        max_length=protocol.MAX_CLIENT_ID, required=False, trim_whitespace=False
    )
    knowledge_bases = serializers.ListField(
        child=serializers.UUIDField(),
        max_length=protocol.MAX_BASES,
        allow_null=True,
        required=False,
    )
    parent = serializers.UUIDField(  # type: ignore[assignment]  # a field's name
        allow_null=True, required=False
    )

    def validate_content(self, value: str) -> str:
        """See that there is something to answer."""
        if not value.strip():
            raise serializers.ValidationError(_("This field may not be blank."))
        return value


class FeedbackInput(StrictSerializer):
    """What the asker thinks of a reply."""

    rating = serializers.ChoiceField(choices=Feedback.Rating.choices)
    comment = serializers.CharField(max_length=2000, allow_blank=True, required=False, default="")


class NothingInput(StrictSerializer):
    """A body that has no fields."""
