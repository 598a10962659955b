"""Rows of drafted changes: what is to change, who approved it, and what became of it."""

import uuid

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from configs.models.steering import Release


class ChangeSet(models.Model):
    """Several changes that are looked at together and come into force as one release."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        IN_REVIEW = "review", _("waits for a second person")
        SCHEDULED = "scheduled", _("waits for its time")
        PUBLISHED = "published", _("published")
        REJECTED = "rejected", _("rejected")
        DISCARDED = "discarded", _("discarded")
        FAILED = "failed", _("could not be published")

    OPEN = (State.DRAFT, State.IN_REVIEW, State.SCHEDULED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(_("title"), max_length=200)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    content_hash = models.CharField(_("content's SHA-256"), max_length=64, blank=True)
    publish_at = models.DateTimeField(
        _("in force from"), null=True, blank=True, help_text=_("Empty: at once.")
    )
    release = models.OneToOneField(
        Release,
        verbose_name=_("release"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="change_set",
    )
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("change set")
        verbose_name_plural = _("change sets")
        ordering = ["-created_at", "id"]
        permissions = [
            ("publish_changeset", _("Can publish changes")),
            ("approve_changeset", _("Can approve other people's changes")),
        ]
        indexes = [
            models.Index(
                fields=["publish_at"],
                condition=models.Q(state="scheduled"),
                name="changeset_due",
            )
        ]

    def __str__(self) -> str:
        return self.title


class Change(models.Model):
    """One drafted change of one row; a sensitive value is encrypted from the start.

    `target` is a setting's key or a name; `base_version` the version that the author saw, 0 where
    there was no row. `value` is JSON text: a setting's value, or an object of an endpoint's fields.
    """

    class Kind(models.TextChoices):
        SETTING = "setting", _("setting")
        OVERRIDE = "override", _("exception for a role")
        ENDPOINT = "endpoint", _("model endpoint")
        PROMPT = "prompt", _("prompt")

    class Action(models.TextChoices):
        SET = "set", _("set")
        RESET = "reset", _("back to the default")
        CREATE = "create", _("add")
        DELETE = "delete", _("remove")

    change_set = models.ForeignKey(ChangeSet, on_delete=models.CASCADE, related_name="changes")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    target = models.CharField(_("target"), max_length=100)
    group = models.ForeignKey(
        Group, verbose_name=_("role"), null=True, blank=True, on_delete=models.CASCADE,
        related_name="+",
    )  # fmt: skip
    action = models.CharField(_("action"), max_length=6, choices=Action, default=Action.SET)
    value = models.TextField(_("value"), blank=True)
    is_sensitive = models.BooleanField(_("sensitive"), default=False)
    base_version = models.PositiveIntegerField(_("made from version"), default=0)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("drafted change")
        verbose_name_plural = _("drafted changes")
        ordering = ["change_set", "kind", "target", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["change_set", "kind", "target", "group"],
                name="change_once_a_target",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.target}"


class Approval(models.Model):
    """What a second person said about a change set, bound to the very content that they saw."""

    class Decision(models.TextChoices):
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")

    change_set = models.ForeignKey(ChangeSet, on_delete=models.CASCADE, related_name="approvals")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        on_delete=models.PROTECT,
        related_name="+",
    )
    decision = models.CharField(_("decision"), max_length=8, choices=Decision)
    content_hash = models.CharField(_("content's SHA-256"), max_length=64)
    comment = models.CharField(_("comment"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["change_set", "created_at", "id"]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_decision_display()}"
