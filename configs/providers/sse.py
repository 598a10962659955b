"""Server-Sent Events out of bytes, wherever the network cut them."""

from configs.errors import ProviderInterrupted

LONGEST_LINE = 4 * 1024 * 1024


class EventParser:
    """Collects bytes and gives back the `data` of whole events.

    It works on bytes and splits at line feeds only: a decoder that splits text at every Unicode
    line separator tears events whose JSON holds U+2028, and one that decodes chunk by chunk
    breaks characters that the network cut in two.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[bytes]:
        """Return the events that `received` completes.

        Raises:
            ProviderInterrupted: a line is endless, so this is no event stream.
        """
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise ProviderInterrupted
        return [event for line in lines if (event := self._take(line.removesuffix(b"\r")))]

    def finish(self) -> list[bytes]:
        """Return the event that the server did not close with an empty line, if there is one."""
        return [*self.feed(b"\n"), *self.feed(b"\n")]

    def _take(self, line: bytes) -> bytes:
        if not line:
            event, self._data = b"\n".join(self._data), []
            return event
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        return b""  # comments and other fields carry nothing for us
