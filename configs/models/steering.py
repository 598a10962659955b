"""Rows that steer the system: settings, model endpoints, prompts and their releases."""

import json
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from configs import crypto
from configs.fields import EncryptedTextField
from configs.models.history import Kept, KeptHistory


class Release(models.Model):
    """One published change of the steering rows; the newest version is what processes run.

    Versions are contiguous from 1. A reply stores the version that it was made with.
    """

    version = models.PositiveBigIntegerField(_("version"), primary_key=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    summary = models.CharField(_("summary"), max_length=500)
    created_at = models.DateTimeField(_("published"), auto_now_add=True)

    class Meta:
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"v{self.version}"


class Config(Kept):
    """One setting: a key, and its value as JSON text (encrypted when it is sensitive).

    An empty value means the default that `configs.registry` declares. Keys that are not declared
    there are free: an operator made them, and `value_type` says what they hold.
    """

    class ValueType(models.TextChoices):
        TEXT = "text", _("text")
        INTEGER = "integer", _("whole number")
        NUMBER = "number", _("number")
        BOOLEAN = "boolean", _("yes or no")
        JSON = "json", _("JSON")

    key = models.CharField(
        _("key"),
        max_length=100,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z][a-z0-9_.-]*$", _("Use a-z, 0-9, dot, dash and underscore."))
        ],
    )
    value = models.TextField(_("value"), blank=True)
    description = models.TextField(_("description"), blank=True)
    value_type = models.CharField(
        _("type"),
        max_length=7,
        choices=ValueType,
        blank=True,
        help_text=_("Of a key that this release does not declare; a declared one has its own."),
    )
    is_sensitive = models.BooleanField(_("sensitive"), default=False)
    is_public = models.BooleanField(_("public"), default=False)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("updated by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    history = KeptHistory(verbose_name=_("setting's history"))

    class Meta:
        verbose_name = _("setting")
        verbose_name_plural = _("settings")
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(is_sensitive=True, is_public=True),
                name="config_never_sensitive_and_public",
            )
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def plain(self) -> Any:
        """Return the value as Python sees it, or None where the default holds.

        Raises:
            SecretUnreadable: it is sensitive and no key opens it.
        """
        text = crypto.decrypt(self.value, self.place) if self.is_sensitive else self.value
        return json.loads(text) if text else None

    @property
    def place(self) -> str:
        """Return what binds a sealed value to this setting and its history."""
        return f"config:{self.key}"


class ConfigOverride(Kept):
    """The value of a declared setting for the people of one role.

    Whoever holds several roles gets the most generous value: the greatest number, yes before no.
    """

    key = models.CharField(_("key"), max_length=100)
    group = models.ForeignKey(
        Group, verbose_name=_("role"), on_delete=models.CASCADE, related_name="+"
    )
    value = models.TextField(_("value"))
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("updated by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    history = KeptHistory(verbose_name=_("exception's history"))

    class Meta:
        verbose_name = _("exception for a role")
        verbose_name_plural = _("exceptions for roles")
        ordering = ["key", "group"]
        constraints = [
            models.UniqueConstraint(fields=["key", "group"], name="override_once_a_role")
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.group})"


class ModelEndpoint(Kept):
    """Where a model answers, and how it is asked; tried in `position` order within its kind."""

    class Kind(models.TextChoices):
        CHAT = "chat", _("chat")
        EMBEDDING = "embedding", _("embedding")
        RERANK = "rerank", _("rerank")

    class Provider(models.TextChoices):
        ZHIPU = "zhipu", _("Zhipu GLM")
        OPENAI_COMPATIBLE = "openai_compatible", _("OpenAI-compatible")
        LOCAL = "local", _("built in")
        FAKE = "fake", _("fake, for tests")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(_("name"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    provider = models.CharField(_("provider"), max_length=20, choices=Provider)
    model = models.CharField(
        _("model"),
        max_length=120,
        blank=True,
        help_text=_("As the provider names it, e.g. glm-4-plus."),
    )
    base_url = models.URLField(
        _("base URL"), blank=True, help_text=_("Empty: the provider's own, or ZHIPUAI_BASE_URL.")
    )
    api_key = EncryptedTextField(
        _("API key"), blank=True, default="", help_text=_("Empty: ZHIPUAI_API_KEY for Zhipu.")
    )
    parameters = models.JSONField(
        _("parameters"),
        default=dict,
        blank=True,
        help_text=_(
            "Sent with each call: temperature, top_p, max_tokens; dimensions for embeddings."
        ),
    )
    context_tokens = models.PositiveIntegerField(
        _("context, tokens"), default=32_000, validators=[MinValueValidator(512)]
    )
    first_byte_timeout_seconds = models.PositiveSmallIntegerField(
        _("time to first byte, seconds"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
    )
    idle_timeout_seconds = models.PositiveSmallIntegerField(
        _("time between bytes, seconds"),
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
    )
    input_price = models.DecimalField(
        _("price per million tokens in"), max_digits=12, decimal_places=4, default=0
    )
    output_price = models.DecimalField(
        _("price per million tokens out"), max_digits=12, decimal_places=4, default=0
    )
    position = models.PositiveSmallIntegerField(
        _("position"),
        default=100,
        help_text=_("The lowest that works is used; the others stand in."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    history = KeptHistory(verbose_name=_("endpoint's history"))

    class Meta:
        verbose_name = _("model endpoint")
        verbose_name_plural = _("model endpoints")
        ordering = ["kind", "position", "name"]

    def __str__(self) -> str:
        return self.name


class PromptTemplate(Kept):
    """Words that are sent to a model; `version` rises with each change of `text`."""

    name = models.SlugField(_("name"), max_length=60, unique=True)
    text = models.TextField(
        _("text"), help_text=_("Placeholders stand in braces, e.g. {passages}.")
    )
    description = models.TextField(_("description"), blank=True)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    history = KeptHistory(verbose_name=_("prompt's history"))

    class Meta:
        verbose_name = _("prompt template")
        verbose_name_plural = _("prompt templates")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
