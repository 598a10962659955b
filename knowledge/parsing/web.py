"""Read HTML: what a reader sees, without scripts, styles and navigation."""

import re

from lxml import etree

from knowledge.parsing.builder import Builder
from knowledge.parsing.encoding import decode
from knowledge.parsing.plain import MAX_BYTES
from knowledge.protocol import ParseError

_SKIPPED = frozenset(
    "script style noscript template head nav svg math iframe object select button".split()  # noqa: SIM905 - as a reader scans it
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    """p div section article main header footer aside ul ol li dl dt dd blockquote figure
    figcaption form fieldset hr table caption tr td th pre address details summary body thead
    tbody tfoot h1 h2 h3 h4 h5 h6""".split()  # noqa: SIM905 - as a reader scans it
)
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,40})", re.IGNORECASE)
_TOO_MUCH = re.compile("excessive depth|huge|memory", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\n\r\f\v]+")


def html(data: bytes) -> Builder:
    """Read HTML however broken it is."""
    if len(data) > MAX_BYTES:
        raise ParseError("limits")
    parser = _parser()
    source = _decoded(data).replace("\0", "")
    try:
        root = etree.fromstring(source.encode("utf-8", "ignore"), parser)
    except etree.XMLSyntaxError as error:
        # However broken, HTML is read: what stops the parser is nothing at all, or too much.
        nothing = error.code == etree.ErrorTypes.ERR_DOCUMENT_EMPTY
        raise ParseError("empty" if nothing else "limits") from None
    if any(_TOO_MUCH.search(entry.message) for entry in parser.error_log):
        raise ParseError("limits")  # what lies deeper would be missing without a word
    if root is None:
        raise ParseError("empty")
    return _Walk().over(root)


def _parser() -> etree.HTMLParser:
    return etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )


def _decoded(data: bytes) -> str:
    declared = _DECLARED.search(data[:4096])
    name = declared[1].decode().lower() if declared else ""
    if name in {"gb2312", "gbk", "gb18030", "big5", "big5-hkscs", "shift_jis", "euc-kr", "euc-jp"}:
        name = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"}.get(name, name)
        text = data.decode(name, "replace")
        if text.count("\ufffd") <= len(text) // 100:
            return text
    return decode(data)


class _Walk:
    """One pass over the tree without recursion: deep nesting is no danger."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.inline: list[str] = []
        self.cells: list[str] | None = None
        self.preformatted = 0

    def over(self, root: etree._Element) -> Builder:
        """Return all visible text below `root`."""
        walker = etree.iterwalk(root, events=("start", "end"))
        for event, element in walker:
            if event == "start":
                if element.tag in _SKIPPED:
                    walker.skip_subtree()
                else:
                    self._start(element)
            else:
                self._end(element)
        self._flush()
        return self.builder

    def _start(self, element: etree._Element) -> None:
        tag = element.tag
        if tag in _BLOCKS and self.cells is None:
            self._flush()
        if tag == "tr":
            self.cells = []
        elif tag == "pre":
            self.preformatted += 1
        elif tag == "br":
            self.inline.append("\n")
        self._say(element.text)

    def _end(self, element: etree._Element) -> None:
        tag = element.tag
        if tag not in _SKIPPED:
            self._close(tag)
        self._say(element.tail)

    def _close(self, tag: str) -> None:
        if tag in {"td", "th"} and self.cells is not None:
            self.cells.append(self._taken())
        elif tag == "tr" and self.cells is not None:
            self.builder.row([*self.cells, self._taken()])
            self.cells = None
        elif self.cells is not None:
            self.inline.append(" " if tag in _BLOCKS else "")
        elif tag in _HEADINGS:
            self.builder.heading(self._taken(), _HEADINGS[tag])
        elif tag == "pre":
            self.builder.code(self._taken())
        elif tag in _BLOCKS:
            self._flush()
        if tag == "pre":
            self.preformatted -= 1

    def _say(self, text: str | None) -> None:
        if text:
            self.inline.append(text if self.preformatted else _SPACES.sub(" ", text))

    def _taken(self) -> str:
        text = "".join(self.inline)
        self.inline = []
        return text if self.preformatted else "\n".join(line.strip() for line in text.split("\n"))

    def _flush(self) -> None:
        if self.preformatted:
            self.builder.code(self._taken())
        else:
            self.builder.paragraph(self._taken())
