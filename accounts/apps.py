"""App declaration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Grant the roles their permissions once migrations have made them."""
        from accounts import records
        from accounts.management import grant_role_defaults

        post_migrate.connect(grant_role_defaults, dispatch_uid="accounts.grant_role_defaults")
        records.connect()
