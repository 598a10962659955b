"""Every word of the admin goes through the catalogue: nothing stays English on a Chinese page."""

import re

import pytest
from django.utils.translation.trans_real import DjangoTranslation
from lxml import html

from tests.accounts.admin_world import addresses, one_of_each

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
KEPT = re.compile(r"<[^>]*>|&\w+;|%%|%\(\w+\)[sd]|%[sd]|\{[^}]*\}|\\n|\n")
WORD = re.compile(r"(?<![\w./@{-])[A-Za-z][a-z]{2,}(?![\w./@=-])")
SPOKEN = "//th | //label | //legend | //summary | //dt | //h1 | //h2 | //h3 | //button"
DATA = "ancestor-or-self::*[self::code or self::td or self::option or self::dialog[not(@class)]]"
NAMES = frozenset(
    {"CLAW", "Ctrl", "English", "Redis", "Grafana", "Flower", "Prometheus", "Celery", "Django"}
)
GIVEN = frozenset(
    {"alice", "root", "research", "member", "fake", "local", "zhipu", "looked", "first"}
    | {"installation"}
)
ROLES = frozenset({"administrator", "operator", "auditor", "knowledge", "editor", "integrator"})


def foreign(text):
    """Return a text as a translator who knows but one word would write it."""
    pieces, at = [], 0
    for kept in KEPT.finditer(text):
        pieces += ["译" if text[at : kept.start()].strip() else "", kept[0]]
        at = kept.end()
    return "".join([*pieces, "译" if text[at:].strip() else ""])


@pytest.fixture
def translated(monkeypatch):
    """Whatever is asked of the catalogue is translated; what is not stays as it is."""
    monkeypatch.setattr(DjangoTranslation, "gettext", lambda self, text: foreign(text))
    monkeypatch.setattr(
        DjangoTranslation, "ngettext", lambda self, one, many, n: foreign(one if n == 1 else many)
    )


def leftovers(content, data):
    """Return the English words of headings, labels, columns and buttons."""
    page = html.fromstring(content)
    for drawn in page.xpath("//*[contains(@class, 'material-symbols-outlined')]"):
        drawn.text = ""
    words = set()
    for element in page.xpath(SPOKEN):
        if not element.xpath(DATA):
            words |= set(WORD.findall(element.text_content()))
    return {word for word in words - NAMES - ROLES if word.lower() not in data}


def test_admin__every_page__is_in_the_language_of_its_reader(
    alice, superuser, browser_of, translated
):
    rows = one_of_each(alice)
    client = browser_of(superuser)
    client.cookies["django_language"] = "zh-hans"
    data = {word.lower() for word in WORD.findall(" ".join(map(str, rows.values())))}
    data |= GIVEN
    found = {}
    for address in addresses():
        path = address.filled(rows)
        answer = client.get(path, headers={"Accept-Language": "zh-hans"})
        is_page = answer.status_code == 200 and "text/html" in answer.headers["Content-Type"]
        if is_page and answer.content and (words := leftovers(answer.content, data)):
            found[path] = sorted(words)
    assert "\n".join(f"{path}: {words}" for path, words in found.items()) == ""
