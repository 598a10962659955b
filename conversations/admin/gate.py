"""The gate before other people's words: a right, and a reason once a conversation and hour."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.options import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext

from accounts.admin.matrix import ReasonForm
from configs.admin.screens import actor_of, complaints, show
from configs.errors import ClawError
from conversations import trace
from conversations.models import Conversation


def opened(
    admin: ModelAdmin[Any],
    request: HttpRequest,
    conversation: Conversation,
    page: Callable[[], HttpResponseBase],
) -> HttpResponseBase:
    """Return the page, or the question why; the answer is kept in the audit log.

    Raises:
        PermissionDenied: this person may not read these words.
    """
    actor = actor_of(request)
    if not trace.may_read(actor=actor, conversation=conversation):
        raise PermissionDenied
    if not trace.must_explain(actor=actor, conversation=conversation):
        return page()
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            reason = form.cleaned_data["reason"]
            trace.explain(actor=actor, conversation=conversation, reason=reason)
            return redirect(request.get_full_path())
        except ClawError as refusal:
            form.add_error(None, complaints(refusal))
    owner = conversation.owner
    return show(
        admin,
        request,
        "admin/accounts/confirm.html",
        title=gettext("Read a conversation of %(name)s") % {"name": owner},
        explanation=gettext(
            "These are another person's words. Say why you read them: it is kept in the audit log. "
            "You are not asked again for an hour."
        ),
        verb=gettext("Read"),
        form=form,
        back="../../",
    )
