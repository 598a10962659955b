"""The catalogues: nothing is without Chinese, and what is compiled is what is written."""

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
DOMAINS = ("django", "djangojs")
FIELD = re.compile(r'^(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (".*")$')
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
needs_gettext = pytest.mark.skipif(
    not shutil.which("xgettext") and os.environ.get("CLAWAI_REQUIRE_ALL") != "1",
    reason="GNU gettext is not here",
)


def entries(path):
    """Return of each entry its fields and whether it is marked as fuzzy, the header left out."""
    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        fields, name = {}, ""
        for line in block.splitlines():
            if match := FIELD.match(line):
                name, text = match.groups()
                fields[name] = ast.literal_eval(text)
            elif line.startswith('"'):
                fields[name] += ast.literal_eval(line)
        if fields.get("msgid"):
            found.append((fields, bool(re.search(r"^#,.*fuzzy", block, re.MULTILINE))))
    return found


def translations(fields):
    return [text for name, text in fields.items() if name.startswith("msgstr")]


def placeholders(text):
    return sorted(set(PLACEHOLDER.findall(text)))


@pytest.mark.parametrize("domain", DOMAINS)
def test_catalogue__every_entry__has_chinese_that_somebody_confirmed(domain):
    found = entries(FOLDER / f"{domain}.po")
    assert len(found) > 100
    assert [fields["msgid"] for fields, fuzzy in found if fuzzy] == []
    assert [fields["msgid"] for fields, _ in found if not all(translations(fields))] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_catalogue__every_entry__keeps_its_placeholders(domain):
    for fields, _ in entries(FOLDER / f"{domain}.po"):
        wanted = placeholders(fields.get("msgid_plural", fields["msgid"]))
        for text in translations(fields):
            assert placeholders(text) == wanted, fields["msgid"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_compiled_catalogue__read_back__says_what_the_source_says(domain):
    with (FOLDER / f"{domain}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    written = {}
    for fields, _ in entries(FOLDER / f"{domain}.po"):
        context = f"{fields['msgctxt']}\x04" if "msgctxt" in fields else ""
        plural = "msgid_plural" in fields
        for index, text in enumerate(translations(fields)):
            key = context + fields["msgid"]
            written[(key, index) if plural else key] = text
    compiled.pop("")
    assert compiled == written


@needs_gettext
def test_catalogues__collected_anew__hold_every_string_of_the_code(tmp_path):
    for name in ("accounts", "clawai", "configs", "conversations", "knowledge", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "static" / "js", tmp_path / "static" / "js")
    shutil.copytree(ROOT / "locale", tmp_path / "locale")
    command = [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans", "--no-location"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "collecting", "PYTHONPATH": "."}
    (tmp_path / "collecting.py").write_text('SECRET_KEY = "none"\nLOCALE_PATHS = ["locale"]\n')
    for domain in DOMAINS:
        subprocess.run(
            [*command, "-d", domain], cwd=tmp_path, env=environment, check=True, capture_output=True
        )
        collected = entries(tmp_path / FOLDER.relative_to(ROOT) / f"{domain}.po")
        known = {fields["msgid"] for fields, _ in entries(FOLDER / f"{domain}.po")}
        assert {fields["msgid"] for fields, _ in collected} == known
