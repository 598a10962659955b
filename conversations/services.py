"""What a person can ask for: start a conversation, ask, stop, regenerate, judge, tidy up."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, Subquery, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import limits
from accounts.models import User
from configs import audit, registry
from configs.audit import actions
from configs.errors import Conflict, Forbidden, Invalid, NotFound
from conversations.models import Conversation, Feedback, Message
from conversations.protocol import QUEUED_SEQ, UNSET, _Unset
from conversations.streams import UNREACHABLE, log, rows
from conversations.tasks import nudge
from knowledge.models import KnowledgeBase

logger = logging.getLogger(__name__)

NUDGE_AGAIN = timedelta(seconds=3)
TICK = timedelta(microseconds=1)
Pair = tuple[Message, Message]


def create_conversation(
    *, user: User, title: str = "", knowledge_bases: Collection[UUID] = ()
) -> Conversation:
    """Start a conversation; `knowledge_bases` are asked by default, none named means all.

    Raises:
        Forbidden: this person only looks after the system, and is not a member too.
    """
    if not user.has_perm("conversations.add_conversation"):
        raise Forbidden(_("Your roles do not let you start conversations."))
    _check_readable(user, knowledge_bases)
    with transaction.atomic():
        made = Conversation.objects.create(
            owner=user, title=title, titled_by_owner=bool(title), updated_at=timezone.now()
        )
        made.knowledge_bases.set(KnowledgeBase.objects.filter(pk__in=knowledge_bases))
    return made


def change_conversation(*, user: User, conversation: UUID, **changes: Any) -> Conversation:
    """Set `title`, `pinned`, `archived` or `knowledge_bases`."""
    bases = changes.pop("knowledge_bases", None)
    if bases is not None:
        _check_readable(user, bases)
    with transaction.atomic():
        row = _locked(user, conversation)
        for name, value in changes.items():
            setattr(row, name, value)
        if "title" in changes:
            row.titled_by_owner = bool(row.title)
            changes["titled_by_owner"] = True
        row.save(update_fields=list(changes))
        if bases is not None:
            row.knowledge_bases.set(KnowledgeBase.objects.filter(pk__in=bases))
    return row


def delete_conversation(*, user: User, conversation: UUID) -> None:
    """Hide a conversation from everyone and stop what is being written in it."""
    with transaction.atomic():
        row = _locked(user, conversation)
        for reply in row.messages.filter(status__in=Message.OPEN).select_for_update():
            _stop(reply)
        row.deleted_at = timezone.now()
        row.save(update_fields=["deleted_at"])
        _record(actions.CONVERSATION_DELETE, user, row)


def note_export(*, user: User, conversation: Conversation, kind: str) -> None:
    """Record that a conversation is taken away as a file."""
    _record(actions.CONVERSATION_EXPORT, user, conversation, format=kind)


def ask(
    *,
    user: User,
    conversation: UUID,
    content: str,
    client_id: str = "",
    knowledge_bases: Collection[UUID] | None = None,
    parent: UUID | _Unset | None = UNSET,
) -> Pair:
    """Store a question with its reply to be written, and nudge the workers.

    A `client_id` that this person used before answers the first result and stores nothing.
    `parent` is the reply after which the question stands, `None` the beginning; left out, the
    question stands after the newest message.

    Raises:
        NotFound: the conversation, a knowledge base or the parent is not there for this person.
        Invalid: the question is longer than this person's may be.
    """
    _check_length(user, content)
    try:
        with transaction.atomic():
            thread = _thread(user, conversation, parent)
            if knowledge_bases:
                _check_readable(user, knowledge_bases)
            at = _after(thread.newest_at)
            question = Message(
                conversation=thread,
                parent_id=thread.newest if isinstance(parent, _Unset) else parent,
                role=Message.Role.USER,
                content=content,
                author=user,
                client_id=client_id,
                knowledge_bases=None if knowledge_bases is None else list(knowledge_bases),
                created_at=at,
            )
            reply = _reply_to(question, at + TICK)
            Message.objects.bulk_create([question, reply])
            Conversation.objects.filter(pk=thread.pk).update(updated_at=at, archived=False)
            transaction.on_commit(partial(nudge, reply.pk))
    except IntegrityError:
        return _first_result(user, client_id)
    return question, reply


def regenerate(*, user: User, reply: UUID) -> Pair:
    """Have a question answered once more, beside the replies that it has.

    Raises:
        NotFound: the reply is not there for this person.
        Conflict: a reply to the same question is still open.
    """
    with transaction.atomic():
        old = _reply(user, reply)
        thread = _thread(user, old.conversation_id, UNSET)
        question = Message.objects.get(children=old)
        if question.children.filter(status__in=Message.OPEN).exists():
            raise Conflict(_("A reply to this question is still being written."))
        new = _reply_to(question, _after(thread.newest_at))
        new.save(force_insert=True)
        Conversation.objects.filter(pk=thread.pk).update(updated_at=new.created_at)
        transaction.on_commit(partial(nudge, new.pk))
    return question, new


def stop(*, user: User, reply: UUID) -> Message:
    """Ask that a reply be written no further; what there is stays. An ended reply stays as it is.

    Raises:
        NotFound: the reply is not there for this person.
    """
    with transaction.atomic():
        row = _reply(user, reply, lock=True)
        _stop(row)
    return row


def give_feedback(*, user: User, message: UUID, rating: int, comment: str = "") -> Feedback:
    """Store what the asker thinks of a reply; the last word counts.

    Raises:
        NotFound: the reply is not there for this person.
        Forbidden: judging replies is switched off.
    """
    if not limits.of_person(user, registry.FEEDBACK_ENABLED):
        raise Forbidden(_("Judging replies is switched off here."))
    row = _reply(user, message)
    return Feedback.objects.update_or_create(
        message=row, defaults={"rating": rating, "comment": comment}
    )[0]


# --- What these have in common -----------------------------------------------------------------


def _check_length(user: User, content: str) -> None:
    longest = limits.of_person(user, registry.QUESTION_CHARACTERS)
    if len(content) > longest:
        complaint = _("A question may have at most %(count)d characters.") % {"count": longest}
        raise Invalid(complaint, errors={"content": [complaint]})


def _check_readable(user: User, bases: Collection[UUID]) -> None:
    wanted = set(bases)
    if wanted and KnowledgeBase.objects.visible_to(user).filter(pk__in=wanted).count() < len(
        wanted
    ):
        raise NotFound


def _record(action: str, actor: User, row: Conversation, **detail: str) -> None:
    """Record an act upon a conversation, without a word of it."""
    audit.record(
        action=action,
        actor=actor,
        object_type="conversation",
        object_id=row.pk,
        detail=detail,
    )


def _locked(user: User, conversation: UUID) -> Conversation:
    """Return a conversation of this person, its row locked."""
    row = Conversation.objects.visible_to(user).select_for_update().filter(pk=conversation).first()
    if row is None:
        raise NotFound
    return row


def _thread(user: User, conversation: UUID, parent: UUID | _Unset | None) -> Any:
    """Return a locked conversation with its `newest` message's id and time (`newest_at`)."""
    within = Message.objects.filter(conversation=OuterRef("pk"))
    newest = within.order_by("-created_at", "-pk")[:1]
    found = (
        Conversation.objects.visible_to(user)
        .select_for_update(of=("self",))
        .annotate(
            newest=Subquery(newest.values("pk")),
            newest_at=Subquery(newest.values("created_at")),
            may_ask=_may_ask(user),
        )
        .filter(pk=conversation)
    )
    if isinstance(parent, UUID):
        found = found.filter(Exists(within.filter(pk=parent, role=Message.Role.ASSISTANT)))
    row = found.first()
    if row is None:
        raise NotFound
    if not row.may_ask:  # type: ignore[attr-defined]  # annotated above
        raise Forbidden(_("Your roles do not let you ask questions."))
    return row


def _may_ask(user: User) -> Any:
    """Return the right to ask as a part of the query that is made anyway, so that it is current."""
    if user.is_superuser:
        return Value(True)
    held = Permission.objects.filter(Q(group__user=user) | Q(user=user))
    return Exists(held.filter(codename="add_message", content_type__app_label="conversations"))


def _after(newest: datetime | None) -> datetime:
    """Return the time of a new message: never before an older one, whatever the clock says."""
    now = timezone.now()
    return now if newest is None else max(now, newest + TICK)


def _reply_to(question: Message, at: datetime) -> Message:
    return Message(
        conversation_id=question.conversation_id,
        parent_id=question.pk,
        role=Message.Role.ASSISTANT,
        status=Message.Status.QUEUED,
        epoch=1,
        seq=QUEUED_SEQ,
        lease_expires_at=timezone.now() + NUDGE_AGAIN,
        created_at=at,
    )


def _first_result(user: User, client_id: str) -> Pair:
    """Return the question of that client's id with its first reply."""
    asked = Message.objects.visible_to(user).filter(author=user, client_id=client_id)
    question = asked.prefetch_related("citations").first() if client_id else None
    replies = _complete(question.children.all()) if question else None
    reply = replies.order_by("created_at", "pk").first() if replies is not None else None
    if question is None or reply is None:
        raise NotFound
    return question, reply


def _complete(replies: Any) -> Any:
    return replies.select_related("feedback").prefetch_related("citations")


def _reply(user: User, pk: UUID, *, lock: bool = False) -> Message:
    found = Message.objects.visible_to(user).filter(pk=pk, role=Message.Role.ASSISTANT)
    row = (found.select_for_update(of=("self",)) if lock else found).first()
    if row is None:
        raise NotFound
    return row


def _stop(row: Message) -> None:
    """Stop a locked reply: at once when nobody works on it yet, else by asking its worker."""
    if not row.is_open:
        return
    row.stop_requested_at = row.stop_requested_at or timezone.now()
    if row.status != Message.Status.QUEUED:
        row.save(update_fields=["stop_requested_at"])
        transaction.on_commit(partial(_call, log.request_stop, row.pk))
        return
    row.status = Message.Status.STOPPED
    row.seq += 1
    row.finished_at = timezone.now()
    row.lease_expires_at = None
    row.save(
        update_fields=["status", "seq", "stop_requested_at", "finished_at", "lease_expires_at"]
    )
    events: Sequence[Any] = (rows.queued_event(row.pk, row.epoch), rows.last_event(row))
    transaction.on_commit(partial(_call, log.append, row.pk, row.epoch, events))


def _call(tell: Any, *arguments: Any) -> None:
    """Tell Redis; without it workers and followers find out from the row within a second."""
    try:
        tell(*arguments)
    except UNREACHABLE as error:
        logger.warning("Redis could not be told of a stop: %s", error)
