"""Rows about what runs: processes with their config version, and long work with its progress."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RunningProcess(models.Model):
    """A process of ours and the release that it runs; seen anew every few seconds."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("process"), max_length=40)
    host = models.CharField(_("machine"), max_length=100)
    pid = models.PositiveIntegerField(_("process id"))
    config_version = models.PositiveBigIntegerField(_("config version"), default=0)
    in_force_at = models.DateTimeField(_("in force since"), null=True)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    seen_at = models.DateTimeField(_("seen"), db_index=True)

    class Meta:
        verbose_name = _("running process")
        verbose_name_plural = _("running processes")
        ordering = ["name", "host", "pid"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.name} {self.host}:{self.pid}"


class Job(models.Model):
    """Long work that somebody asked for, with its progress; leased by the worker that does it."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=40)
    title = models.CharField(_("title"), max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("asked for by"),
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    payload = models.JSONField(_("task"), default=dict, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.QUEUED)
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("of"), default=0)
    message = models.CharField(_("message"), max_length=500, blank=True)
    result = models.JSONField(_("result"), default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_expires_at = models.DateTimeField(_("lease ends"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("asked to stop"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created_at", "id"]
        default_permissions = ("view", "change")
        indexes = [
            models.Index(
                fields=["lease_expires_at"],
                condition=models.Q(state__in=["queued", "running"]),
                name="job_open",
            ),
            models.Index(fields=["owner", "-created_at"], name="job_owner_time"),
        ]

    def __str__(self) -> str:
        return self.title
