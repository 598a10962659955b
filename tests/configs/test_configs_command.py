"""`manage.py configs`: what each verb says to people and programs, and how it ends."""

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from configs import changesets, registry, runtime, services
from configs.changesets import FreeKey
from configs.management.console import Exit
from configs.models import ChangeSet, Config, Release
from tests.configs.keys import NEW

TOP_K = registry.RETRIEVAL_TOP_K.key
SECRET = "sk-canary-4711-0815"
SECRET_KEY = "shop.token"
PASSPHRASE = "correct horse battery"


def run(*line: str, told: str = "") -> tuple[int, str]:
    """Return the status and what was printed; `told` is what comes in."""
    out, before = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(told)
    try:
        call_command("configs", *line, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    finally:
        sys.stdin = before
    return 0, out.getvalue()


def refusal(*line: str, told: str = "") -> CommandError:
    with pytest.raises(CommandError) as refused:
        run(*line, told=told)
    assert SECRET not in str(refused.value)
    return refused.value


@pytest.fixture
def token(olga):
    """A secret key of an operator's own, at version 1."""
    drafted = changesets.open_draft(title="t", actor=olga)
    value = FreeKey("text", SECRET, "", is_sensitive=True)
    changesets.draft(change_set=drafted, kind="setting", target=SECRET_KEY, value=value, actor=olga)
    changesets.submit(change_set=drafted, actor=olga, reason="r")


def test_set__value__is_published_with_author_reason_and_history(olga):
    status, said = run("set", TOP_K, "9", "--reason", "more", "--actor", "OLGA", "--json")
    assert status == 0
    assert json.loads(said) == {"key": TOP_K, "version": 1, "release": runtime.build().version}
    row = Config.history.get(key=TOP_K)
    assert (row.history_user_id, row.history_change_reason) == (olga.pk, "more")
    assert run("get", TOP_K) == (0, "9\n")
    assert json.loads(run("get", TOP_K, "--json")[1])["source"] == "database"


def test_list__every_setting__for_people_and_programs(token):
    lines = {each["key"]: each for each in json.loads(run("list", "--json")[1])}
    assert set(registry.SETTINGS) < set(lines)
    assert lines[SECRET_KEY]["value"] == "••••0815"
    assert lines[SECRET_KEY]["sensitive"] is True
    text = run("list")[1]
    assert TOP_K in text
    assert SECRET not in text


def test_history_and_rollback__lead_back_as_a_new_version(olga):
    for value in ("9", "8"):
        run("set", TOP_K, value, "--actor", "olga")
    assert run("rollback", TOP_K, "1", "--reason", "back")[0] == 0
    past = json.loads(run("history", TOP_K, "--json")[1])
    assert [(each["version"], each["value"]) for each in past] == [(3, 9), (2, 8), (1, 9)]
    assert [each["by"] for each in past] == ["", "olga", "olga"]
    assert "back" in run("history", TOP_K)[1]
    run("reset", TOP_K)
    assert json.loads(run("get", TOP_K, "--json")[1])["value"] == registry.RETRIEVAL_TOP_K.default


def test_compare__two_releases__shows_what_changed(olga):
    before = runtime.build().version
    run("set", TOP_K, "9")
    now = runtime.build().version
    [difference] = json.loads(run("compare", str(before), str(now), "--json")[1])
    assert (difference["target"], difference["new"]) == (TOP_K, "9")
    assert TOP_K in run("compare", str(before), str(now))[1]


def test_set__secret__is_read_from_stdin_and_never_from_the_line(token):
    assert "leave the value out" in str(refusal("set", SECRET_KEY, "typed", "--reason", "r"))
    status, said = run("set", SECRET_KEY, "--reason", "r", told="sk-another-canary\n")
    assert status == 0
    assert "canary" not in said
    assert runtime.build().free(SECRET_KEY) == "sk-another-canary"
    past = json.loads(run("history", SECRET_KEY, "--json")[1])
    assert [each["value"] for each in past] == ["••••nary", "••••0815"]


@pytest.mark.parametrize(
    "line",
    [
        ("get", "no.such"),
        ("set", "no.such", "1"),
        ("set", TOP_K, "many"),
        ("set", TOP_K, "100000"),
        ("history", "no.such"),
        ("rollback", TOP_K, "99"),
        ("list", "--actor", "nobody-of-that-name"),
        ("import", "/no/such/file"),
    ],
)
def test_refusal__says_why_with_status_1(db, line):
    refused = refusal(*line)
    assert refused.returncode == Exit.REFUSED
    assert str(refused)


def test_usage__unknown_verb__is_not_understood(db):
    with pytest.raises(CommandError):
        run("explode")


def test_set__four_eyes__waits_with_its_own_status(olga):
    services.change_setting(key=registry.FOUR_EYES.key, value="retrieval.*", actor=olga, reason="r")
    status, said = run("set", TOP_K, "9", "--actor", "olga", "--reason", "r", "--json")
    assert status == Exit.SECOND_PERSON
    waiting = ChangeSet.objects.get(pk=json.loads(said)["change_set"])
    assert waiting.state == ChangeSet.State.IN_REVIEW
    assert not Config.objects.filter(key=TOP_K).exists()


def test_export_and_import__file__shows_first_and_changes_then(token, tmp_path, capsys):
    path = tmp_path / "bundle.yaml"
    run("set", TOP_K, "9")
    assert run("export", str(path))[0] == 0
    assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in path.read_text()
    assert run("export")[1].count("retrieval.top_k: 9") == 1
    run("set", TOP_K, "5")
    before = Release.objects.count()
    status, said = run("import", str(path), "--dry-run", "--json")
    [difference] = json.loads(said)
    assert (status, difference["old"], difference["new"]) == (0, "5", "9")
    assert f"settings.{SECRET_KEY}" in capsys.readouterr().err
    assert "--yes" in str(refusal("import", str(path)))
    assert Release.objects.count() == before
    assert run("import", str(path), "--yes", "--reason", "r")[0] == 0
    assert Release.objects.count() == before + 1
    assert runtime.build().get(registry.RETRIEVAL_TOP_K) == 9
    assert run("import", str(path), "--yes", "--reason", "r")[0] == 0
    assert Release.objects.count() == before + 1


def test_export_and_import__with_secrets__needs_the_passphrase(token, tmp_path):
    path = tmp_path / "bundle.yaml"
    assert "--yes" in str(refusal("export", str(path), "--with-secrets", told=PASSPHRASE))
    run("export", str(path), "--with-secrets", "--yes", told=PASSPHRASE + "\n")
    assert SECRET not in path.read_text()
    run("set", SECRET_KEY, "--reason", "r", told="sk-another-canary\n")
    line = ("import", str(path), "--with-secrets", "--yes", "--reason", "r")
    assert "does not open" in str(refusal(*line, told="a wrong passphrase\n"))
    assert run(*line, told=PASSPHRASE + "\n")[0] == 0
    assert runtime.build().free(SECRET_KEY) == SECRET


def test_import__what_does_not_fit__is_refused_and_nothing_changes(db, tmp_path, capsys):
    path = tmp_path / "bundle.yaml"
    candidates = registry.RETRIEVAL_CANDIDATES.key
    path.write_text(f"format: 1\nsettings: {{{candidates}: 10, {TOP_K}: 20}}\n")
    assert run("import", str(path), "--dry-run")[0] == Exit.REFUSED
    assert "at least as many" in capsys.readouterr().err
    assert run("import", str(path), "--yes", "--reason", "r")[0] == Exit.REFUSED
    assert not ChangeSet.objects.exists()


def test_rotate_keys__dry_and_done__counts_and_names_what_is_lost(token, settings):
    old = list(settings.FIELD_KEYS)
    settings.FIELD_KEYS = [NEW, *old]
    dry = json.loads(run("rotate-keys", "--dry-run", "--json")[1])
    assert (dry["renewed"], dry["left"]) == (3, 3)
    settings.FIELD_KEYS = [NEW]
    status, said = run("rotate-keys", "--json")
    assert status == Exit.UNREADABLE
    assert {each["of"] for each in json.loads(said)["unreadable"]} >= {SECRET_KEY}
