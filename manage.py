#!/usr/bin/env python
"""Django's command line, with the project's settings."""

import os
import sys
import uuid

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from clawai import bootstrap
from configs import origin


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    origin.begin(origin.Origin(f"command-{uuid.uuid4().hex[:12]}", door="command"))
    try:
        if sys.argv[1:2] == ["up"]:
            # The settings refuse to load without the secrets and servers that `up` makes.
            bootstrap.lay_ground(sys.argv[2:])
        # Some commands, `check` among them, would go on without settings.
        _ = settings.INSTALLED_APPS
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"CLAW.AI cannot start: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
