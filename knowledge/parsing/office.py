"""Read DOCX and PPTX from their XML."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from knowledge.parsing.archive import checked, relations, xml
from knowledge.parsing.builder import Builder

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING_NAME = re.compile(r"(?:heading|标题|標題)\s*([1-9])", re.IGNORECASE)
_CONTAINERS = {f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins")}


def word(path: Path) -> Builder:
    """Read DOCX: paragraphs, headings by style or outline level, tables row by row."""
    builder = Builder()
    with checked(path, "docx") as archive:
        levels = _heading_styles(archive)
        body = xml(archive, "word/document.xml").find(f"{_W}body")
        for element in _flow(body) if body is not None else ():
            _add_word(builder, element, levels)
    return builder


def slides(path: Path) -> Builder:
    """Read PPTX slide by slide: the title as a heading, texts, tables and the speaker's notes."""
    builder = Builder()
    with checked(path, "pptx") as archive:
        for number, part in enumerate(_slide_parts(archive), start=1):
            _add_slide(builder, archive, part, number)
    return builder


def _heading_styles(archive: zipfile.ZipFile) -> dict[str, int]:
    """Return style id → heading level, by the style's outline level or its name."""
    if "word/styles.xml" not in archive.namelist():
        return {}
    levels: dict[str, int] = {}
    for style in xml(archive, "word/styles.xml").iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        words = name.get(f"{_W}val", "") if name is not None else ""
        found = _HEADING_NAME.match(words)
        level = int(found[1]) if found else _outline_level(style.find(f"{_W}pPr"))
        if words.lower() == "title":
            level = 1
        if level:
            levels[style.get(f"{_W}styleId", "")] = level
    return levels


def _outline_level(properties: etree._Element | None) -> int:
    found = properties.find(f"{_W}outlineLvl") if properties is not None else None
    value = found.get(f"{_W}val", "9") if found is not None else "9"
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0  # noqa: PLR2004 - 9: body text


def _flow(parent: etree._Element) -> Iterator[etree._Element]:
    """Yield paragraphs and tables in their order, out of the containers around them."""
    for element in parent:
        if element.tag in _CONTAINERS:
            yield from _flow(element)
        elif element.tag in {f"{_W}p", f"{_W}tbl"}:
            yield element


def _add_word(builder: Builder, element: etree._Element, levels: dict[str, int]) -> None:
    if element.tag == f"{_W}tbl":
        for row in element.iterfind(f"{_W}tr"):
            builder.row([_word_text(cell) for cell in row.iterfind(f"{_W}tc")])
        return
    properties = element.find(f"{_W}pPr")
    style = properties.find(f"{_W}pStyle") if properties is not None else None
    level = levels.get(style.get(f"{_W}val", ""), 0) if style is not None else 0
    level = level or _outline_level(properties)
    if level:
        builder.heading(_word_text(element), level)
    else:
        builder.paragraph(_word_text(element))


def _word_text(element: etree._Element) -> str:
    """Return the visible text below `element`; a paragraph's end is a line end."""
    parts: list[str] = []
    for node in element.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr", f"{_W}p"):
        if any(ancestor.tag == _FALLBACK for ancestor in node.iterancestors()):
            continue
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        elif node.tag == f"{_W}tab":
            parts.append("\t")
        elif parts:
            parts.append("\n")
    return "".join(parts)


def _slide_parts(archive: zipfile.ZipFile) -> list[str]:
    """Return the slides' parts in the order of the presentation."""
    main = "ppt/presentation.xml"
    targets = relations(archive, main)
    order = [item.get(f"{_R}id", "") for item in xml(archive, main).iter(f"{_P}sldId")]
    present = set(archive.namelist())
    return [targets[key][1] for key in order if key in targets and targets[key][1] in present]


def _add_slide(builder: Builder, archive: zipfile.ZipFile, part: str, number: int) -> None:
    tree = xml(archive, part)
    bodies = list(tree.iter(f"{_P}txBody"))
    titles = [body for body in bodies if _is_title(body)]
    for body in titles:
        builder.heading(" ".join(_drawn_paragraphs(body)), 1, page=number)
    for body in bodies:
        if body not in titles:
            builder.paragraph("\n".join(_drawn_paragraphs(body)), page=number)
    for row in tree.iter(f"{_A}tr"):
        builder.row(
            ["\n".join(_drawn_paragraphs(cell)) for cell in row.iterfind(f"{_A}tc")], page=number
        )
    for kind, target in relations(archive, part).values():
        if kind == "notesSlide" and target in archive.namelist():
            _add_notes(builder, xml(archive, target), number)


def _add_notes(builder: Builder, tree: etree._Element, number: int) -> None:
    for shape in tree.iter(f"{_P}sp"):
        holder = shape.find(f".//{_P}ph")
        body = shape.find(f"{_P}txBody")
        if body is not None and holder is not None and holder.get("type") == "body":
            builder.paragraph("\n".join(_drawn_paragraphs(body)), page=number)


def _is_title(body: etree._Element) -> bool:
    shape = body.getparent()
    holder = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph") if shape is not None else None
    return holder is not None and holder.get("type") in {"title", "ctrTitle"}


def _drawn_paragraphs(body: etree._Element) -> list[str]:
    lines = []
    for paragraph in body.iter(f"{_A}p"):
        parts = [
            "\n" if node.tag == f"{_A}br" else node.text or ""
            for node in paragraph.iter(f"{_A}t", f"{_A}br")
        ]
        lines.append("".join(parts))
    return [line for line in lines if line.strip()]
