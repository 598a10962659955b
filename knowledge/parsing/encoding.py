"""Find out how the bytes of a text file encode its characters."""

import codecs
import re

from knowledge.protocol import ParseError

SAMPLE = 64 * 1024
TOLERATED = 0.01
"""Share of broken sequences that a text may have and still count as UTF-8 or GB18030."""

LEVEL_ONE_AT_LEAST = 0.7
"""Share of Chinese characters that must be everyday ones for a legacy encoding to be believed."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HAN = re.compile("[\u4e00-\u9fff]")


def decode(data: bytes) -> str:
    """Return the text of `data`.

    Tried in order: byte order marks, UTF-8, UTF-16 by its zeros, GB18030 against Big5 by how
    everyday the characters are, and what charset-normalizer thinks.

    Raises:
        ParseError: `unsupported` where the bytes are no text.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    if b"\0" in data[:SAMPLE]:
        return _by_zeros(data)
    text = _tolerant(data, "utf-8")
    if text is not None:
        return text
    return _legacy(data) or _guessed(data)


def _tolerant(data: bytes, encoding: str) -> str | None:
    """Decode with few broken sequences, or not at all."""
    text = data.decode(encoding, "replace")
    broken = text.count("\ufffd")
    if not broken:
        return text
    foreign = sum(1 for character in text[:SAMPLE] if character > "\x7f" and character != "\ufffd")
    return text if text[:SAMPLE].count("\ufffd") <= foreign * TOLERATED and foreign else None


def _by_zeros(data: bytes) -> str:
    """Decode UTF-16 without a mark: in Western text every other byte is zero."""
    sample = data[:SAMPLE]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) * 0.05 or min(even, odd) > len(sample) * 0.01:
        raise ParseError("unsupported")
    return data.decode("utf-16-le" if odd > even else "utf-16-be", "replace")


def _legacy(data: bytes) -> str | None:
    """Decode GB18030 or Big5, whichever makes more everyday characters."""
    candidates = [
        (_everyday(text, encoding, lead), text)
        for encoding, lead in (("gb18030", (0xB0, 0xD7)), ("big5hkscs", (0xA4, 0xC6)))
        if (text := _tolerant(data, encoding)) is not None
    ]
    share, text = max(candidates, default=(0.0, ""))
    return text if share >= LEVEL_ONE_AT_LEAST else None


def _everyday(text: str, encoding: str, lead: tuple[int, int]) -> float:
    """Return which share of the Chinese characters lies in the first level of its standard."""
    characters = "".join(_HAN.findall(text[:SAMPLE]))
    first_bytes = characters.encode(encoding, "ignore")[0::2]
    if not first_bytes:
        return 0.0
    return sum(lead[0] <= byte <= lead[1] for byte in first_bytes) / len(first_bytes)


def _guessed(data: bytes) -> str:
    # Imported when it is needed, which is rare: it takes as long as all the rest of the process.
    from charset_normalizer import from_bytes

    best = from_bytes(data[:SAMPLE]).best()
    if best is None:
        raise ParseError("unsupported")
    return data.decode(best.encoding, "replace")
