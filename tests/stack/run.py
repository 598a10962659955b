"""One process of the stack, as `manage.py up` runs it: `python -m tests.stack.run web 8000`."""

import os
import socket
import sys

import django


def main(name: str, *arguments: str) -> None:
    """Become the process `name`: web (with its port), answers, indexing or beat."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    django.setup()
    from clawai import crew

    crew.load()
    if name == "web":
        crew.web(socket.create_server(("127.0.0.1", int(arguments[0])), backlog=2048), lambda: None)
    else:
        {"answers": crew.answers, "indexing": crew.indexing, "beat": crew.beat}[name]()


if __name__ == "__main__":
    main(*sys.argv[1:])
