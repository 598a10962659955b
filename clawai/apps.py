"""App declaration; it carries the commands of the whole project."""

from django.apps import AppConfig


class ClawaiConfig(AppConfig):
    name = "clawai"
    verbose_name = "CLAW.AI"
