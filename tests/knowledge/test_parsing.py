"""Every kind of file is read, and every nasty one refused, in a process of its own."""

import io
import json
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from knowledge.errors import REASONS
from knowledge.parsing import sandbox, sniffing
from knowledge.parsing.encoding import decode
from knowledge.protocol import ParseError, outline, restore
from tests.knowledge import shelf

CHINESE = "这是一份用来检查编码的文件。我们的年假是十五天，请在系统里提出申请。\n" * 20
TRADITIONAL = "這是一份用來檢查編碼的文件。我們的年假是十五天，請在系統裡提出申請。\n" * 20


@pytest.fixture
def read(tmp_path):
    def parse(data, kind, **limits):
        path = tmp_path / f"file.{kind}"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return sandbox.parse(path, kind, **limits)

    return parse


def kinds(parsed):
    return [(block.kind, block.text) for block in parsed.blocks]


def refusal(read, data, kind, **limits):
    with pytest.raises(ParseError) as caught:
        read(data, kind, **limits)
    assert caught.value.code in REASONS
    return caught.value.code


def assert_positions(parsed):
    assert all(parsed.text[b.start : b.end] == b.text for b in parsed.blocks)
    assert restore(parsed.text, json.loads(json.dumps(outline(parsed.blocks)))) == parsed


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", CHINESE),
        ("utf-8-sig", CHINESE),
        ("utf-16", CHINESE),
        ("gb18030", CHINESE),
        ("gbk", CHINESE),
        ("big5", TRADITIONAL),
        ("utf-16-le", "Plain English text without a mark. " * 20),
        (
            "cp1252",
            "Die Größe der Straße überrascht uns später, denn die Wörter müssen schön sein. " * 20,
        ),
        ("koi8-r", "Это обычный русский текст, который кто-то сохранил в старой кодировке. " * 20),
    ],
)
def test_text__in_any_encoding__is_decoded(encoding, text):
    assert decode(text.encode(encoding)) == text


def test_text__with_headings__has_levels_and_exact_positions(read):
    parsed = read(
        "=====\nTitle\n=====\n\nIntro one.\nIntro two.\n\nSection\n=======\n\nBody.\n\n"
        "Deeper\n------\nMore.",
        "text",
    )
    assert kinds(parsed) == [
        ("heading", "Title"),
        ("paragraph", "Intro one.\nIntro two."),
        ("heading", "Section"),
        ("paragraph", "Body."),
        ("heading", "Deeper"),
        ("paragraph", "More."),
    ]
    assert [b.level for b in parsed.blocks if b.kind == "heading"] == [1, 2, 3]
    assert_positions(parsed)


def test_chinese_text__numbered_chapters__are_headings(read):
    parsed = read(
        "第一章 总则\n第一节 目的\n为了规范管理，制定本办法。\n第二章 休假\n员工享有年假。", "text"
    )
    assert [(b.text, b.level) for b in parsed.blocks if b.kind == "heading"] == [
        ("第一章 总则", 2),
        ("第一节 目的", 3),
        ("第二章 休假", 2),
    ]


def test_markdown__marks_go_code_and_tables_stay(read):
    parsed = read(
        "---\ntitle: x\n---\n# 指南\n见[手册](http://a/b)和*重点*与**加粗**。\n\n"
        "```py\n# no heading\n  x = 1\n```\n"
        "| 名称 | 值 |\n|---|---|\n| `a` | 1 |\n\nSetext\n------\nEnd",
        "markdown",
    )
    assert kinds(parsed) == [
        ("heading", "指南"),
        ("paragraph", "见手册和重点与加粗。"),
        ("code", "# no heading\n  x = 1"),
        ("row", "名称 | 值"),
        ("row", "a | 1"),
        ("heading", "Setext"),
        ("paragraph", "End"),
    ]
    assert_positions(parsed)


def test_html__scripts_and_navigation_are_left_out(read):
    parsed = read(
        "<html><head><title>t</title><style>x{}</style></head><body><nav>menu</nav><h2>Leave</h2>"
        "<p>Fifteen <b>days</b>\n of leave</p><script>alert(1)</script><pre>a\n  b</pre>"
        "<table><tr><th>k</th><th>v</th></tr><tr><td>x</td><td><p>1</p></td></tr></table>tail</body>",
        "html",
    )
    assert kinds(parsed) == [
        ("heading", "Leave"),
        ("paragraph", "Fifteen days of leave"),
        ("code", "a\n  b"),
        ("row", "k | v"),
        ("row", "x | 1"),
        ("paragraph", "tail"),
    ]
    assert_positions(parsed)


def test_html__declared_gb2312__is_decoded(read):
    page = f"<html><head><meta charset='gb2312'></head><body><p>{CHINESE}</p></body></html>"
    assert "年假是十五天" in read(page.encode("gb18030"), "html").text


def test_html__nested_very_deep__is_over_the_limits(read):
    assert "deep" in read("<div>" * 200 + "deep", "html").text
    assert refusal(read, "<div>" * 100_000 + "deep", "html") == "limits"


def test_csv__rows_carry_their_columns_names(read):
    parsed = read("姓名;部门;公式\n张三;技术;=HYPERLINK(1)\n李四;;@SUM\n", "csv")
    assert kinds(parsed) == [
        ("row", "姓名: 张三 | 部门: 技术 | 公式: =HYPERLINK(1)"),
        ("row", "姓名: 李四 | 公式: @SUM"),
    ]


def test_docx__headings_paragraphs_and_tables__are_read(read):
    data = shelf.docx_file(paragraphs=("年假政策如下。",), table=(("级别", "天数"), ("P5", "15")))
    assert kinds(read(data, "docx")) == [
        ("heading", "员工手册"),
        ("heading", "Annual leave"),
        ("paragraph", "年假政策如下。"),
        ("row", "级别 | 天数"),
        ("row", "P5 | 15"),
    ]


def test_pptx__slides_with_notes__are_read_with_pages(read):
    parsed = read(shelf.pptx_file(), "pptx")
    assert [(b.text, b.page) for b in parsed.blocks] == [
        ("季度总结", 1),
        ("收入增长百分之十", 1),
        ("Notes on 季度总结", 1),
        ("Plans", 2),
        ("Hire two people", 2),
        ("Notes on Plans", 2),
    ]


def test_xlsx__values_and_formulas__are_text(read):
    assert kinds(read(shelf.xlsx_file(), "xlsx")) == [
        ("heading", "价格"),
        ("row", "产品: 苹果 | Price: 3.5"),
        ("row", '产品: 梨 | Price: 4 | Since: =HYPERLINK("http://evil.example","x")'),
    ]


def test_pdf__pages__are_read_with_their_numbers(read):
    parsed = read(shelf.pdf_file(("First page text.", "Second page text.")), "pdf")
    assert [(b.text, b.page) for b in parsed.blocks] == [
        ("First page text.", 1),
        ("Second page text.", 2),
    ]


def test_nothing_readable__is_empty(read):
    assert refusal(read, b"", "text") == "empty"
    assert refusal(read, b" \n\t \n", "markdown") == "empty"
    assert refusal(read, b"<html><body></body></html>", "html") == "empty"
    assert refusal(read, shelf.pdf_file(("",)), "pdf") == "empty"


def test_password__is_named(read):
    assert refusal(read, shelf.pdf_file(password="secret"), "pdf") == "encrypted"
    container = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    assert refusal(read, container, "docx") == "encrypted"


@pytest.mark.parametrize("kind", ["pdf", "docx", "pptx", "xlsx"])
def test_truncated__is_malformed(read, kind):
    data = getattr(shelf, f"{kind}_file")()
    assert refusal(read, data[: len(data) // 2], kind) in {"malformed", "empty"}


def members(data, **changed):
    """Return an office file with some of its members replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for info in old.infolist():
            if info.filename not in changed:
                new.writestr(info, old.read(info))
        for name, content in changed.items():
            new.writestr(name, content)
    return out.getvalue()


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))


@pytest.mark.parametrize("declaration", ['<!ENTITY x SYSTEM "file:///etc/passwd">', LAUGHS])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_in_office_files__are_refused(read, declaration, encoding):
    xml = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [{declaration}]><d>&x;</d>'
    bad = members(shelf.docx_file(), **{"word/document.xml": xml.encode(encoding)})
    assert refusal(read, bad, "docx") == "malformed"
    bad = members(shelf.xlsx_file(), **{"xl/workbook.xml": xml.encode(encoding)})
    assert refusal(read, bad, "xlsx") == "malformed"


def test_html_entities__bring_nothing_in(read):
    page = '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><body><p>see &x; here</p>'
    assert "root:" not in read(page, "html").text


def test_zip_bomb__is_over_the_limits(read):
    bomb = members(shelf.docx_file(), **{"word/document.xml": b"<a>" + b"0" * (60 << 20)})
    assert len(bomb) < 200_000
    began = time.monotonic()
    assert refusal(read, bomb, "docx") == "limits"
    assert time.monotonic() - began < 10


def test_zip_with_100_000_members__is_over_the_limits(read):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"word/{number}.xml", "")
    assert refusal(read, out.getvalue(), "docx") == "limits"


def test_pdf_bomb__is_over_the_limits(read):
    stream = zlib.compress(b"BT (" + b"A" * (100 << 20) + b") Tj ET", 9)
    data = shelf.pdf_file(("x",)).replace(
        b"stream\nBT", b"stream\n" + stream + b"\nendstream\nBT", 1
    )
    data = data.replace(b"<< /Length", b"<< /Filter /FlateDecode /Length", 1)
    assert refusal(read, data, "pdf") in {"limits", "malformed", "empty"}


def test_too_little_time_or_memory__is_over_the_limits(read):
    big = "<p>" + "word " * 4_000_000
    assert refusal(read, big, "html", memory_mb=96) == "limits"
    assert refusal(read, "x\n\n" * 3_000_000, "text", seconds=0) == "limits"


def test_process__ends_and_leaves_nothing(read, tmp_path):
    before = set(Path("/proc").glob("[0-9]*"))
    refusal(read, "x\n\n" * 3_000_000, "text", seconds=0)
    children = set()
    for entry in set(Path("/proc").glob("[0-9]*")) - before:
        if (entry / "cmdline").exists() and b"knowledge.parsing" in (
            entry / "cmdline"
        ).read_bytes():
            children.add(entry)
    assert not children


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", b"<!doctype html><html>%PDF-1.4</html>"),
        ("a.pdf", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.pdf", b"MZ\x90\x00\x03"),
        ("a.txt", b"MZ\x90\x00\x03"),
        ("a.txt", b"<html><script>alert(1)</script></html>"),
        ("a.txt", b"\xef\xbb\xbf<!DOCTYPE html>"),
        ("a.txt", b"<?xml version='1.0'?><svg/>"),
        ("a.html", b"\x89PNG\r\n\x1a\n<html></html>"),
        ("a.html", b"<svg onload=alert(1)></svg>"),
        ("a.csv", b"\xff\xd8\xff\xe0JFIF"),
        ("a.md", b"PK\x03\x04"),
        ("a.docx", b"%PDF-1.4"),
        ("a.docx", b"plain text"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old .doc"),
    ],
)
def test_content_of_another_kind__is_seen(name, data):
    assert not sniffing.agrees(sniffing.kind_of(name), io.BytesIO(data))


def archive(*infos):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for info in infos:
            made.writestr(info, "x")
    return out


def test_zip_that_is_no_office_file__is_seen():
    link = zipfile.ZipInfo("word/link")
    link.external_attr = 0o120777 << 16
    for infos in (["readme.txt"], ["word/document.xml", "../x"], ["word/document.xml", link]):
        assert not sniffing.agrees("docx", archive(*infos))
    assert not sniffing.agrees("xlsx", io.BytesIO(shelf.docx_file()))


@pytest.mark.parametrize("kind", ["pdf", "docx", "pptx", "xlsx"])
def test_content_of_its_own_kind__agrees(kind):
    assert sniffing.agrees(kind, io.BytesIO(getattr(shelf, f"{kind}_file")()))


def test_texts_that_only_look_binary__agree():
    for text in (b"BMW builds cars", "MZ 是缩写".encode(), CHINESE.encode("gb18030"), b""):
        assert sniffing.agrees("text", io.BytesIO(text))


@pytest.mark.parametrize("name", ["x.exe", "x", "x.svg", "x.png", "x.doc", "x.zip", ".txt."])
def test_unknown_extension__has_no_kind(name):
    assert sniffing.kind_of(name) is None
