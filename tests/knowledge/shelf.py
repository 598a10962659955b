"""A base with an index of fake vectors, and files of every kind, made on the spot."""

import io

import docx
import openpyxl
import pptx
from django.core.files.base import ContentFile

from configs import runtime
from configs.models import ModelEndpoint
from knowledge import services
from knowledge.indexing import pipeline
from knowledge.models import Chunk, TermFrequency
from tests.steering import step_all

ENDPOINT = "shelf-embedder"


def install_embedder(**parameters):
    """Make the fake embedder the one that new indexes take."""
    step_all(ModelEndpoint.objects.filter(kind="embedding"), enabled=False)
    ModelEndpoint.objects.create(
        name=ENDPOINT,
        kind="embedding",
        provider="fake",
        position=1,
        parameters={"dimensions": 64, **parameters},
    )
    runtime.forget()


def file_of(text, name="notes.txt"):
    data = text.encode() if isinstance(text, str) else text
    return ContentFile(data, name=name)


def put(actor, base, text, name="notes.txt", source=""):
    """Upload and return the document, not indexed yet."""
    document, _ = services.upload(
        actor=actor, base_id=base.pk, file=file_of(text, name), name=name, source=source
    )
    return document


def put_ready(actor, base, text, name="notes.txt", source=""):
    document = put(actor, base, text, name, source)
    pipeline.run(document.pk)
    document.refresh_from_db()
    return document


def essay(paragraphs, seed="段落"):
    """A text of so many paragraphs, each some 100 tokens and unlike the others."""
    return "\n\n".join(
        f"第{n}段。{seed}{n}讨论知识库的索引。" + f"The quick fox number {n} reads. " * 10
        for n in range(paragraphs)
    )


def counted_terms(generation):
    """Count the terms of a generation anew, out of its chunks."""
    counts = {}
    for bm25 in Chunk.objects.filter(generation=generation).values_list("bm25", flat=True):
        for term in bm25.indices():
            counts[term] = counts.get(term, 0) + 1
    return counts


def kept_terms(generation):
    return dict(TermFrequency.objects.filter(generation=generation).values_list("term", "chunks"))


def docx_file(*, paragraphs=("年假政策如下。",), table=()):
    document = docx.Document()
    document.add_heading("员工手册", 1)
    document.add_heading("Annual leave", 2)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        grid = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(grid.add_row().cells, row, strict=True):
                cell.text = text
    return _bytes(document.save)


def pptx_file():
    deck = pptx.Presentation()
    for title, body in (("季度总结", "收入增长百分之十"), ("Plans", "Hire two people")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        slide.notes_slide.notes_text_frame.text = f"Notes on {title}"
    return _bytes(deck.save)


def xlsx_file():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "价格"
    sheet.append(["产品", "Price", "Since"])
    sheet.append(["苹果", 3.5, None])
    sheet.append(["梨", 4, '=HYPERLINK("http://evil.example","x")'])
    return _bytes(book.save)


def pdf_file(pages=("Hello world of PDF.",), *, password=None):
    """A small PDF with a text layer."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for n, text in enumerate(pages):
        lines = " T* ".join(f"({line}) Tj" for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td {lines} ET" if text else ""
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * n} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    return _encrypted(_assembled(objects), password)


def _assembled(objects):
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    xref = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{xref}"
    tail += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + tail.encode()


def _encrypted(data, password):
    if password is None:
        return data
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(password, algorithm="AES-256")
    return _bytes(writer.write)


def _bytes(save):
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()
