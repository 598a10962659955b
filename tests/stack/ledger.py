"""Keeps account of one reply as a client saw it, and finds every breach of the protocol."""

from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]
ENDS = ("reply.done", "reply.failed")


@dataclass(slots=True)
class Ledger:
    """What one client was told about one reply."""

    reply: str
    epoch: int | None = None
    seq: int = 0
    text: str = ""
    frames: list[Frame] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    resyncs: int = 0
    end: Frame | None = None
    longest_text: str = ""

    def note(self, frame: Frame) -> None:
        """Take one frame about this reply into account."""
        self.frames.append(frame)
        kind = frame["type"]
        if kind == "reply.resync":
            self._resync(frame)
        elif "seq" in frame:
            self._next(frame)
        if kind == "reply.delta":
            self.text += frame["text"]
        if kind in ENDS:
            self.end = frame
        self.longest_text = max(self.longest_text, self.text, key=len)

    def of(self, kind: str) -> list[Frame]:
        """Return the frames of one kind."""
        return [frame for frame in self.frames if frame["type"] == kind]

    def fork(self) -> "Ledger":
        """Return a ledger that goes on from here, as a client that reconnects."""
        return Ledger(self.reply, self.epoch, self.seq, self.text, longest_text=self.longest_text)

    def _resync(self, frame: Frame) -> None:
        self.resyncs += 1
        self.epoch, self.seq, self.text = frame["epoch"], frame["seq"], frame["text"]

    def _next(self, frame: Frame) -> None:
        if self.end is not None:
            self.breaches.append(f"{frame['type']} {frame['seq']} after the end")
        if self.epoch is None:
            self.epoch = frame["epoch"]
        if frame["epoch"] != self.epoch:
            self.breaches.append(f"epoch {self.epoch} became {frame['epoch']} without a resync")
            self.epoch = frame["epoch"]
        elif frame["seq"] != self.seq + 1:
            self.breaches.append(f"seq {frame['seq']} after {self.seq}")
        self.seq = frame["seq"]
