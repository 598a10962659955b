"""`python -m clawai.embedded start|stop [DATA_DIR]`: the embedded servers alone."""

import sys
from pathlib import Path

from clawai import embedded


def main(arguments: list[str]) -> int:
    """Start or stop the servers; returns the exit status."""
    verb, data_dir = arguments[0] if arguments else "", Path((arguments[1:] or [".clawai"])[0])
    if verb not in ("start", "stop"):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        embedded.start(data_dir) if verb == "start" else embedded.stop(data_dir)
    except embedded.StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
