"""App declaration; it carries the commands of the whole project."""

from django.apps import AppConfig


class ClawaiConfig(AppConfig):
    name = "clawai"
    verbose_name = "CLAW.AI"

    def ready(self) -> None:
        """Make the OpenAPI extensions known: they register when they are imported."""
        from clawai import schema  # noqa: F401
