"""Run the fake GLM server: `python -m tests.fake_glm --port 9999`."""

import argparse
import asyncio
import contextlib
import signal

from tests.fake_glm.rules import Rule
from tests.fake_glm.server import serve


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_glm", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--tokens", type=int, default=40, help="tokens an answer")
    parser.add_argument("--first-token-ms", type=float, default=0)
    parser.add_argument("--tokens-per-second", type=float, default=0, help="0: as fast as it can")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    default = Rule(
        tokens=options.tokens,
        first_token_ms=options.first_token_ms,
        tokens_per_second=options.tokens_per_second,
    )
    task = asyncio.ensure_future(serve(options.port, default))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


asyncio.run(main(arguments()))
