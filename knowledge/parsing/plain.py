"""Read plain text, reStructuredText-like text and Markdown."""

import re
from collections.abc import Iterator

from knowledge.parsing.builder import Builder, one_line
from knowledge.parsing.encoding import decode
from knowledge.protocol import ParseError

MAX_BYTES = 4 * 10_000_000
LONGEST_TITLE = 120

_UNDERLINE = re.compile(r"([=\-~^\"'#*+`:.])\1{2,}\s*$")
_CHAPTER = re.compile(
    r"第[一二三四五六七八九十百千零〇\d]{1,6}(?P<unit>[编篇部章节])(?:[\s\u3000::、]|$)"
)
_CHAPTER_LEVELS = {"编": 1, "篇": 1, "部": 1, "章": 2, "节": 3}
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_INLINE = (
    (re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,1000}(?:\s\"[^\"]{0,200}\")?\)"), r"\1"),
    (re.compile(r"!?\[([^\[\]]{1,500})\]\[[^\[\]]{0,200}\]"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,500})(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![A-Za-z0-9*])\*(?=\S)([^*\n]{1,500})(?<=\S)\*(?![A-Za-z0-9*])"), r"\1"),
    (re.compile(r"(?<!`)`([^`\n]{1,500})`(?!`)"), r"\1"),
    (re.compile(r"<(https?://[^\s<>]{1,1000})>"), r"\1"),
    (
        re.compile(
            r"</?(?:a|b|i|p|br|div|span|img|sub|sup|kbd|details|summary|center|code)\b[^<>\n]{0,500}>",
            re.I,
        ),
        "",
    ),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>])"), r"\1"),
)


def text(data: bytes) -> Builder:
    """Read plain text: empty lines part paragraphs, headings are underlined or numbered."""
    builder = Builder()
    levels: dict[str, int] = {}
    for paragraph in _paragraphs(_decoded(data)):
        _add_paragraph(builder, paragraph, levels)
    return builder


def markdown(data: bytes) -> Builder:
    """Read Markdown: marks of emphasis and links go, code and tables keep their lines."""
    builder = Builder()
    lines = _decoded(data).split("\n")
    at = _front_matter(lines)
    pending: list[str] = []
    while at < len(lines):
        at = _markdown_line(builder, lines, at, pending)
    _flush(builder, pending)
    return builder


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ParseError("limits")
    return decode(data).replace("\r\n", "\n").replace("\r", "\n")


def _paragraphs(whole: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in whole.split("\n"):
        if line.strip():
            lines.append(line)
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _add_paragraph(builder: Builder, lines: list[str], levels: dict[str, int]) -> None:
    """Add the lines between two empty ones, with the headings that stand among them."""
    rest: list[str] = []
    at = 0
    while at < len(lines):
        taken, title, level = _heading_at(lines, at, levels)
        if taken:
            builder.paragraph("\n".join(rest))
            rest = []
            builder.heading(title, level)
        else:
            rest.append(lines[at])
        at += taken or 1
    builder.paragraph("\n".join(rest))


def _heading_at(lines: list[str], at: int, levels: dict[str, int]) -> tuple[int, str, int]:
    """Return how many lines the heading at `at` takes (0: none), its words and its level."""
    line = lines[at].rstrip()
    following = lines[at + 1].rstrip() if at + 1 < len(lines) else ""
    if _UNDERLINE.match(line) and at + 2 < len(lines) and lines[at + 2].rstrip() == line:
        return 3, following, _level("over" + line[0], levels)
    if _is_underlined(line, following):
        return 2, line, _level(following[0], levels)
    chapter = _CHAPTER.match(line.strip())
    if (
        chapter
        and len(line.strip()) <= LONGEST_TITLE // 3
        and not line.rstrip().endswith(("。", ";", "；"))
    ):
        return 1, line, _CHAPTER_LEVELS[chapter["unit"]]
    return 0, "", 0


def _is_underlined(line: str, following: str) -> bool:
    width = sum(2 if character > "\u2e7f" else 1 for character in line)
    return bool(
        _UNDERLINE.match(following)
        and not _UNDERLINE.match(line)
        and line[:1].strip()
        and len(line) <= LONGEST_TITLE
        and len(following) >= min(width, len(line) + 2) - 2
    )


def _level(style: str, levels: dict[str, int]) -> int:
    """Return the level of an underline: the order in which the styles first appear."""
    return levels.setdefault(style, len(levels) + 1)


def _front_matter(lines: list[str]) -> int:
    """Return the line after the settings between `---` that some sites put at the top."""
    if not lines or lines[0].strip() != "---":
        return 0
    for at, line in enumerate(lines[1:60], start=1):
        if line.strip() == "---":
            return at + 1
    return 0


def _markdown_line(builder: Builder, lines: list[str], at: int, pending: list[str]) -> int:
    """Take the line at `at`, or the whole construct that begins there; return the next line."""
    line = lines[at]
    fence = _FENCE.match(line)
    if fence:
        _flush(builder, pending)
        return _fenced(builder, lines, at, fence[1])
    heading = _ATX.match(line)
    following = lines[at + 1] if at + 1 < len(lines) else ""
    if heading:
        _flush(builder, pending)
        builder.heading(_plain(heading[2] or ""), len(heading[1]))
    elif (
        not pending
        and line.strip()
        and re.match(r"(?:={2,}|-{2,})\s*$", following)
        and "|" not in line
    ):
        builder.heading(_plain(line), 1 if following[0] == "=" else 2)
        return at + 2
    elif "|" in line and _TABLE_RULE.match(following) and "|" in following:
        _flush(builder, pending)
        return _table(builder, lines, at)
    elif line.strip():
        pending.append(line)
    else:
        _flush(builder, pending)
    return at + 1


def _fenced(builder: Builder, lines: list[str], at: int, fence: str) -> int:
    end = at + 1
    while end < len(lines) and not lines[end].strip().startswith(fence):
        end += 1
    builder.code("\n".join(lines[at + 1 : end]))
    return end + 1


def _table(builder: Builder, lines: list[str], at: int) -> int:
    builder.row(_cells(lines[at]))
    at += 2
    while at < len(lines) and "|" in lines[at]:
        builder.row(_cells(lines[at]))
        at += 1
    return at


def _cells(line: str) -> list[str]:
    return [_plain(cell) for cell in line.strip().strip("|").split("|")]


def _flush(builder: Builder, pending: list[str]) -> None:
    builder.paragraph(_plain("\n".join(pending)))
    pending.clear()


def _plain(markup: str) -> str:
    """Return inline Markdown without its marks."""
    for pattern, words in _INLINE:
        markup = pattern.sub(words, markup)
    return markup if "\n" in markup else one_line(markup)
