"""CLAW.AI: the project that joins the apps; it imports all of them and none imports it."""

from clawai.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
