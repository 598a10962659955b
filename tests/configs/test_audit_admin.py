"""The audit log as people meet it: found, compared, checked, taken away; from the shell, too."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from configs import audit, origin
from configs.audit import browsing, exporting
from configs.audit.browsing import Wanted
from configs.models import AuditEntry
from tests.configs.test_audit_chain import sealed, sql

pytestmark = pytest.mark.django_db
LIST = "/admin/configs/auditentry/"
BrowserOf = Callable[[User | None], Client]


@pytest.fixture
def log(alice: User, olga: User) -> None:
    """Three acts of different people upon different things."""
    here = origin.Origin("request-0001", "203.0.113.9", "admin")
    with origin.of(here):
        audit.record(
            action="config.change",
            actor=olga,
            object_type="setting",
            object_id="answers.temperature",
            object_name="answers.temperature",
            old={"value": 0.3, "same": 1},
            new={"value": 0.7, "same": 1},
            reason="warmer answers",
        )
    audit.record(
        action="document.upload",
        actor=alice,
        object_type="document",
        object_id="d1",
        object_name="年度报告.pdf",
    )
    audit.record(action="login.failure", object_type="user", object_name="=cmd|' /C calc'!A0")
    sealed()


def said(response: object) -> str:
    return response.content.decode()


def streamed(response: object) -> str:
    return b"".join(response.streaming_content).decode()


class TestBrowsing:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (Wanted(), ["login.failure", "document.upload", "config.change"]),
            (Wanted(action="document.upload"), ["document.upload"]),
            (Wanted(person="olga"), ["config.change"]),
            (Wanted(person="nobody at all"), []),
            (Wanted(object_type="user"), ["login.failure"]),
            (Wanted(object_id="d1"), ["document.upload"]),
            (Wanted(ip="203.0.113.9"), ["config.change"]),
            (Wanted(request="request-0001"), ["config.change"]),
            (Wanted(q="年度报"), ["document.upload"]),
            (Wanted(q="报告"), ["document.upload"]),
            (Wanted(q="WARMER"), ["config.change"]),
            (Wanted(q="100%"), []),
            (Wanted(since=timezone.now() - timedelta(hours=1), q="pdf"), ["document.upload"]),
            (Wanted(until=timezone.now() - timedelta(hours=1)), []),
            (Wanted(since=timezone.now() + timedelta(hours=1)), []),
        ],
    )  # fmt: skip
    def test_entries__each_filter__finds_what_fits(
        self, log: None, wanted: Wanted, found: list[str]
    ) -> None:
        assert [each.action for each in browsing.entries(wanted, limit=50)] == found

    def test_every__in_small_chunks__yields_each_once(self, log: None) -> None:
        pages = list(browsing.every(Wanted(), chunk=2))
        assert [[each.action for each in page] for page in pages] == [
            ["login.failure", "document.upload"],
            ["config.change"],
        ]


class TestAdmin:
    def test_list__auditor__sees_entries_and_nothing_that_changes(
        self, log: None, aidan: User, browser_of: BrowserOf
    ) -> None:
        page = said(browser_of(aidan).get(LIST))
        assert "年度报告.pdf" in page
        assert "warmer answers" in page
        assert 'name="_save"' not in page
        assert "deletelink" not in page

    def test_list__members_and_visitors__are_kept_out(
        self, log: None, alice: User, browser_of: BrowserOf
    ) -> None:
        assert browser_of(alice).get(LIST, follow=True).status_code == 403
        assert browser_of(None).get(LIST).status_code == 302

    def test_list__bad_filters__say_so_and_do_not_fail(
        self, log: None, aidan: User, browser_of: BrowserOf
    ) -> None:
        page = browser_of(aidan).get(
            LIST, {"ip": "nonsense", "since": "x", "before": "-9", "action": "?"}
        )
        assert page.status_code == 200
        assert "is-bad" in said(page)

    def test_list__many__goes_on_by_id_without_counting(
        self, aidan: User, browser_of: BrowserOf, django_assert_max_num_queries: object
    ) -> None:
        for number in range(60):
            audit.record(action=f"x{number}")
        client = browser_of(aidan)
        with django_assert_max_num_queries(12) as asked:
            page = client.get(LIST)
        assert not [
            each
            for each in asked.captured_queries
            if "COUNT(" in each["sql"] and "auditentry" in each["sql"]
        ]
        older = said(page).partition('rel="next" href="')[2].partition('"')[0]
        assert "before=" in older
        second = said(client.get(LIST + older.replace("&amp;", "&")))
        assert ">x9<" in second
        assert ">x59<" not in second

    def test_entry__with_both_values__marks_what_changed(
        self, log: None, aidan: User, browser_of: BrowserOf
    ) -> None:
        entry = AuditEntry.objects.get(action="config.change")
        page = said(browser_of(aidan).get(f"{LIST}{entry.pk}/change/"))
        assert "<mark>" in page
        assert "request-0001" in page
        assert "person=olga" in page
        assert "answers.temperature" in page

    @pytest.mark.parametrize("place", ["", "add/", "{pk}/change/", "{pk}/delete/"])
    def test_forged_posts__from_everybody__change_nothing(
        self, log: None, aidan: User, superuser: User, browser_of: BrowserOf, place: str
    ) -> None:
        pk = AuditEntry.objects.order_by("pk").first().pk
        for person in (aidan, superuser):
            answer = browser_of(person).post(
                LIST + place.format(pk=pk),
                {
                    "reason": "forged",
                    "post": "yes",
                    "action": "delete_selected",
                    "_selected_action": pk,
                },
            )
            assert answer.status_code == 403
        assert AuditEntry.objects.get(pk=pk).reason == "warmer answers"
        sealed()
        assert audit.verify().fault is None

    def test_check__auditor__is_told_and_recorded(
        self, log: None, aidan: User, browser_of: BrowserOf
    ) -> None:
        client, head = browser_of(aidan), str(audit.head())
        sealed()  # the sign-in
        page = said(client.post(f"{LIST}check/", {"expect": head}))
        assert "is-good" in page
        assert AuditEntry.objects.filter(action="audit.verify", actor=aidan).exists()
        sealed()
        sql("UPDATE configs_auditentry SET reason='other' WHERE position=1")
        assert "is-bad" in said(client.post(f"{LIST}check/"))

    def test_check__nonsense_for_a_head__is_said(self, aidan: User, browser_of: BrowserOf) -> None:
        assert "is-bad" in said(browser_of(aidan).post(f"{LIST}check/", {"expect": "12:short"}))


class TestExport:
    def test_csv__formulas__are_disarmed(
        self, log: None, aidan: User, browser_of: BrowserOf
    ) -> None:
        answer = browser_of(aidan).get(f"{LIST}export/", {"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(streamed(answer).removeprefix("\ufeff"))))
        names = {row["action"]: row["object_name"] for row in rows}
        assert names["login.failure"] == "'=cmd|' /C calc'!A0"
        assert names["document.upload"] == "年度报告.pdf"
        assert 'attachment; filename="audit-' in answer["Content-Disposition"]

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_csv__each_dangerous_start__gets_an_apostrophe(self, start: str) -> None:
        audit.record(action="x", reason=f"{start}1+1", new=f"{start}2")
        text = b"".join(exporting.as_csv(Wanted())).decode().removeprefix("\ufeff")
        (row,) = csv.DictReader(io.StringIO(text, newline=""))
        assert row["reason"] == f"'{start}1+1"
        assert row["new"] == f"'{start}2"

    def test_json_lines__filtered__has_what_fits_and_is_recorded_itself(
        self, log: None, aidan: User, browser_of: BrowserOf
    ) -> None:
        answer = browser_of(aidan).get(f"{LIST}export/", {"format": "jsonl", "person": "olga"})
        (line,) = map(json.loads, streamed(answer).splitlines())
        assert line["old"] == {"value": 0.3, "same": 1}
        entry = AuditEntry.objects.get(action="export.audit")
        assert entry.actor == aidan
        assert entry.detail == {"format": "jsonl", "filters": {"person": "olga"}}

    def test_export__operator_without_the_right__is_refused(
        self, log: None, olga: User, administrator: User, browser_of: BrowserOf
    ) -> None:
        assert browser_of(olga).get(f"{LIST}export/", {"format": "csv"}).status_code == 403
        assert browser_of(administrator).get(f"{LIST}export/", {"format": "csv"}).status_code == 200
        assert browser_of(administrator).get(f"{LIST}export/", {"format": "x"}).status_code == 404


class TestCommand:
    def run(self, *words: str) -> str:
        out = io.StringIO()
        call_command("audit", *words, stdout=out, stderr=out)
        return out.getvalue()

    def test_verify__whole__prints_the_head_that_later_proves_it(self, log: None) -> None:
        report = json.loads(self.run("verify", "--json"))
        assert (report["whole"], report["checked"]) == (True, 3)
        head = self.run("head").strip()
        assert head == f"{report['head']['position']}:{report['head']['seal']}"
        assert head in self.run("verify", "--expect", head)

    def test_verify__altered__says_where_and_fails(
        self, log: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sql("UPDATE configs_auditentry SET reason='other' WHERE position=2")
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("audit", "verify", stdout=out, stderr=out)
        assert ended.value.code == 1
        assert "position 2" in out.getvalue()
        with pytest.raises(SystemExit):
            self.run("verify", "--json")

    @pytest.mark.parametrize(
        ("since", "checked"), [("3", 1), ("2000-01-01", 3), ("2999-01-01 10:00", 0)]
    )
    def test_verify__since__begins_there(self, log: None, since: str, checked: int) -> None:
        assert json.loads(self.run("verify", "--json", "--since", since))["checked"] == checked

    @pytest.mark.parametrize(
        "words", [("--since", "soon"), ("--since", "2026-13-40"), ("--expect", "7:x")]
    )
    def test_verify__nonsense__is_refused_in_words(self, words: tuple[str, str]) -> None:
        with pytest.raises(CommandError):
            self.run("verify", *words)

    def test_export__file__has_all_entries(self, log: None, tmp_path: object) -> None:
        self.run("export", str(tmp_path / "log.jsonl"))
        assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4  # its own, too
        with pytest.raises(CommandError):
            self.run("export", str(tmp_path / "log.xls"))
