"""The Celery application: it carries nudges; the facts stand in PostgreSQL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")

app = Celery("clawai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
