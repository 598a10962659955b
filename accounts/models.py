"""People and their roles."""

import unicodedata
import uuid
from typing import Any

from django.contrib.auth.models import (
    AbstractUser,
    Group,
    Permission,
)
from django.contrib.auth.models import (
    UserManager as DjangoUserManager,
)
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from configs.fields import EncryptedTextField


def canonical_username(name: str) -> str:
    """Return `name` in NFKC without surrounding space; letters keep their case for display."""
    return unicodedata.normalize("NFKC", name).strip()


def username_key(name: str) -> str:
    """Return what two names must not share: NFKC, without regard to case."""
    return unicodedata.normalize("NFKC", canonical_username(name).casefold())


class UserManager(DjangoUserManager["User"]):
    """Finds people by name without regard to case; everyone who is made becomes a member."""

    def create_user(self, username: str, *args: Any, **fields: Any) -> "User":
        """Make a person with the role that everyone has."""
        user = super().create_user(username, *args, **fields)
        user.groups.add(Group.objects.get_or_create(name=Role.MEMBER)[0])
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of that name; the case of letters does not matter."""
        return self.get(username_key=username_key(username or ""))


class User(AbstractUser):
    """A person who signs in; roles are Django groups (see `Role`)."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("as the system")
        LIGHT = "light", _("light")
        DARK = "dark", _("dark")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username_key = models.CharField(max_length=450, unique=True, editable=False)
    display_name = models.CharField(_("display name"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    theme = models.CharField(_("theme"), max_length=6, choices=Theme, default=Theme.SYSTEM)
    sign_ins_ended = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text=_("How often all sign-ins were ended: those begun with another number are over."),
    )
    rights_lost = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text=_("How often a right was lost: sockets opened with another number are closed."),
    )

    objects = UserManager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["username"]
        permissions = [
            ("enter_admin", _("Can enter the administration")),
            ("read_conversations", _("Can read the texts of other people's conversations")),
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    def clean(self) -> None:
        """Store the name in its canonical form, so that look-alikes cannot stand side by side."""
        super().clean()
        self.username = canonical_username(self.username)
        namesakes = User.objects.filter(username_key=username_key(self.username))
        if namesakes.exclude(pk=self.pk).exists():
            raise ValidationError({"username": _("A user with that username already exists.")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the key in step with the name."""
        self.username_key = username_key(self.username)
        if fields := kwargs.get("update_fields"):
            kwargs["update_fields"] = {*fields, "username_key"}
        super().save(*args, **kwargs)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what sessions and tokens must match: it changes when all sign-ins are ended."""
        plain: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        if not self.sign_ins_ended:
            return plain
        return salted_hmac(
            "clawai.accounts.sign_ins",
            f"{plain}:{self.sign_ins_ended}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    @property
    def is_administrator(self) -> bool:
        """Whether this person holds the administrator's role, or all rights."""
        return self.is_superuser or self.groups.filter(name=Role.ADMINISTRATOR).exists()


class Role(models.TextChoices):
    """Names of the groups that a migration makes, with the permissions it gives them."""

    ADMINISTRATOR = "administrator", _("administrator")
    OPERATOR = "operator", _("operator")
    AUDITOR = "auditor", _("auditor")
    KNOWLEDGE_EDITOR = "knowledge editor", _("knowledge editor")
    INTEGRATOR = "integrator", _("integrator")
    MEMBER = "member", _("member")


STAFF_ROLES = frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR, Role.KNOWLEDGE_EDITOR})
"""Roles whose holders may enter the admin from the start: they are given `accounts.enter_admin`."""


class RoleNote(models.Model):
    """What a role of one's own is for, in its maker's words."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="note")
    description = models.CharField(_("description"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("role's description")
        verbose_name_plural = _("roles' descriptions")
        ordering = ["group"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.description


class RoleGrant(models.Model):
    """Remembers that a role was given a permission from the start, so that it happens once."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    permission = models.ForeignKey(Permission, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name = _("role's first permission")
        verbose_name_plural = _("roles' first permissions")
        ordering = ["group", "permission"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["group", "permission"], name="role_grant_once")
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.permission}"


class Scope(models.TextChoices):
    """What an API key may be used for; its owner's rights bound it from above."""

    CHAT = "chat", _("ask questions and read the owner's conversations")
    KNOWLEDGE_READ = "knowledge:read", _("read and search knowledge bases")
    KNOWLEDGE_WRITE = "knowledge:write", _("change knowledge bases and upload documents")
    CONFIGS_READ = "configs:read", _("read settings")
    CONFIGS_WRITE = "configs:write", _("change settings")


class ApiKey(models.Model):
    """A key that a program signs in with as its owner; only its SHA-256 is kept.

    The key holds 256 random bits, so that a fast hash is as good as a slow one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        User, verbose_name=_("owner"), on_delete=models.CASCADE, related_name="api_keys"
    )
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("begins with"), max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope), verbose_name=_("scopes"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    last_used_ip = models.GenericIPAddressField(
        _("last used from"), null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at", "id"]
        indexes = [models.Index(fields=["owner", "-created_at"], name="api_key_owner_time")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class TokenFamily(models.Model):
    """One sign-in by JWT: the refresh tokens that follow one another, of which one is good."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="token_families"
    )
    current = models.CharField(max_length=32, editable=False)
    password_stamp = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("signed in"), auto_now_add=True)
    renewed_at = models.DateTimeField(_("renewed"), auto_now=True)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("sign-in by token")
        verbose_name_plural = _("sign-ins by token")
        ordering = ["-created_at", "id"]
        default_permissions = ("view", "delete")
        indexes = [models.Index(fields=["user", "-created_at"], name="token_family_user_time")]

    def __str__(self) -> str:
        return f"{self.user} {self.created_at:%Y-%m-%d %H:%M}"


class IdempotentCall(models.Model):
    """A mutating call that carried an `Idempotency-Key`, and what it was answered."""

    user = models.ForeignKey(
        User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="+"
    )
    key = models.CharField(_("key"), max_length=255)
    fingerprint = models.CharField(max_length=64, editable=False)
    status = models.PositiveSmallIntegerField(_("status"), default=0)
    body = EncryptedTextField(_("answer"), blank=True)  # it may hold a new key's secret
    created_at = models.DateTimeField(_("made"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("idempotent call")
        verbose_name_plural = _("idempotent calls")
        ordering = ["-created_at", "id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once_a_user")
        ]

    def __str__(self) -> str:
        return self.key
