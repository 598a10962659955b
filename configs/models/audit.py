"""Rows of the audit log: who did what, when, why, from where; each sealed to the one before."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One recorded act; written once, never changed, sealed into the chain at its commit.

    `digest` is an HMAC over the content and over the seal of `follows`, the last position when it
    was recorded. At the commit a trigger gives `position` (contiguous from 1) and `seal`, the
    SHA-256 of the seal before, the position, the id and the digest.
    """

    id = models.BigAutoField(primary_key=True)
    position = models.BigIntegerField(_("position"), null=True, unique=True, editable=False)
    at = models.DateTimeField(_("time"), default=timezone.now, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(_("person's name then"), max_length=150, blank=True)
    action = models.CharField(_("act"), max_length=60)
    object_type = models.CharField(_("kind of object"), max_length=40, blank=True)
    object_id = models.CharField(_("object"), max_length=100, blank=True)
    object_name = models.CharField(_("object's name then"), max_length=255, blank=True)
    old = models.JSONField(_("before"), null=True, blank=True)
    new = models.JSONField(_("after"), null=True, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    detail = models.JSONField(_("more"), default=dict, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    ip = models.GenericIPAddressField(_("address"), null=True, blank=True)
    door = models.CharField(_("door"), max_length=10, blank=True)
    key_id = models.CharField(_("key of the digest"), max_length=16)
    digest = models.CharField(_("digest"), max_length=64)
    follows = models.BigIntegerField(_("recorded after"), default=0, editable=False)
    seal = models.CharField(_("seal"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ["-id"]
        default_permissions = ("view", "export")
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_time"),
            models.Index(fields=["actor", "-id"], name="audit_person"),
            models.Index(fields=["action", "-id"], name="audit_act"),
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_object"),
            models.Index(fields=["object_id", "-id"], name="audit_object_id"),
            models.Index(fields=["request_id", "-id"], name="audit_request"),
            models.Index(fields=["ip", "-id"], name="audit_address"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_name or self.object_id}".strip()


class AuditHead(models.Model):
    """The chain's last position and seal: one row, so that a missing end is noticed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    position = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("end of the audit log")
        verbose_name_plural = _("end of the audit log")

    def __str__(self) -> str:
        return str(self.position)
