"""People and their roles."""

import uuid

from django.contrib.auth.models import AbstractUser, UserManager as DjangoUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class UserManager(DjangoUserManager["User"]):
    """Finds people by name without regard to case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of that name; the case of letters does not matter."""
        return self.get(username__iexact=self.model.normalize_username(username or ""))


class User(AbstractUser):
    """A person who signs in; roles are Django groups (see `Role`)."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("as the system")
        LIGHT = "light", _("light")
        DARK = "dark", _("dark")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    display_name = models.CharField(_("display name"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    theme = models.CharField(_("theme"), max_length=6, choices=Theme, default=Theme.SYSTEM)

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["username"]
        constraints = [models.UniqueConstraint(Lower("username"), name="user_name_unique_any_case")]

    def __str__(self) -> str:
        return self.display_name or self.username


class Role(models.TextChoices):
    """Names of the groups that a migration makes, with the permissions it gives them."""

    ADMINISTRATOR = "administrator", _("administrator")
    OPERATOR = "operator", _("operator")
    AUDITOR = "auditor", _("auditor")
    KNOWLEDGE_EDITOR = "knowledge editor", _("knowledge editor")
    INTEGRATOR = "integrator", _("integrator")
    MEMBER = "member", _("member")
