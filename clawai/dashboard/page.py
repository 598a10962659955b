"""What the dashboard's template is given: the parts that its reader may see."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clawai.dashboard import keeping
from clawai.dashboard.charts import Chart, Series, bars, lines
from clawai.dashboard.figures import Figures
from clawai.dashboard.periods import PERIODS, Period, chosen
from configs import processes, registry, runtime
from configs.models import Release
from knowledge.models import Document

THOUSAND: Final = 1000
MILLION: Final = 1_000_000
SECONDS_A_MINUTE: Final = 60
SECONDS_AN_HOUR: Final = 3600
WARN_AFTER_SECONDS: Final = {"answers": 30, "indexing": 600, "jobs": 120}
"""So long may the oldest of a queue wait before it is marked."""
PARTS: Final = {
    "replies": "conversations.view_message",
    "people": "accounts.view_user",
    "documents": "knowledge.view_document",
    "processes": "configs.view_runningprocess",
    "jobs": "configs.view_job",
    "feedback": "conversations.view_feedback",
}
TONES: Final = {"ready": "good", "processing": "accent", "queued": "soft", "failed": "bad"}


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the admin's index."""
    period = chosen(request.GET.get("period"))
    figures = keeping.read(period)
    may = {part: request.user.has_perm(right) for part, right in PARTS.items()}
    own = {
        "title": _("Dashboard"),
        "may": may,
        "period": period,
        "periods": PERIODS,
        "links": _links(),
        "steps": _steps(request, figures),
        "figures": figures,
    }
    if may["replies"]:
        own |= {"tiles": _tiles(figures), "charts": _charts(figures, period)}
        own |= {"shares": _bars(figures.shares, "replies")}
    if may["people"]:
        own["people"] = _bars(figures.people, "replies")
    own["queues"] = [_queue(row) for row in figures.queues if _may_see(row, may)]
    if may["documents"]:
        own["documents"] = _documents(figures.documents)
    if may["processes"]:
        own |= _processes()
    return {**given, **own}


def _may_see(queue: Mapping[str, Any], may: Mapping[str, bool]) -> bool:
    part = {"answers": "replies", "indexing": "documents", "jobs": "jobs"}[queue["name"]]
    return may[part]


def _tiles(figures: Figures) -> list[dict[str, Any]]:
    replies, failed = sum(figures.replies), sum(figures.failed)
    broken = sum(figures.broken_off)
    tokens = sum(figures.tokens_in) + sum(figures.tokens_out)
    rate = (failed + broken) / replies if replies else None
    return [
        {"name": _("Replies"), "value": intcomma(replies), "icon": "forum"},
        {
            "name": _("Tokens"),
            "value": compact(tokens),
            "icon": "token",
            "note": _("%(in)s in, %(out)s out")
            % {
                "in": compact(sum(figures.tokens_in)),
                "out": compact(sum(figures.tokens_out)),
            },
        },
        {
            "name": _("Time to first words"),
            "value": seconds(figures.wait_half),
            "icon": "timer",
            "note": _("95 %% within %(time)s") % {"time": seconds(figures.wait_most)},
        },
        {
            "name": _("Failed or broken off"),
            "value": "–" if rate is None else f"{rate * 100:.1f} %",
            "icon": "error",
            "tone": "bad" if failed + broken else "",
            "note": ngettext("%(n)s reply", "%(n)s replies", failed + broken)
            % {"n": intcomma(failed + broken)},
        },
    ]


def _charts(figures: Figures, period: Period) -> list[Chart]:
    names = [_slot(slot, period) for slot in figures.slots]
    sound = [
        total - failed - broken
        for total, failed, broken in zip(
            figures.replies, figures.failed, figures.broken_off, strict=True
        )
    ]
    return [
        bars(
            _("Replies per hour") if period.unit == "hour" else _("Replies per day"),
            names,
            [
                Series(_("Replies"), "accent", sound),
                Series(_("Broken off"), "warn", figures.broken_off),
                Series(_("Failed"), "bad", figures.failed),
            ],
            compact,
        ),
        bars(
            _("Tokens per hour") if period.unit == "hour" else _("Tokens per day"),
            names,
            [
                Series(_("Tokens in"), "accent", figures.tokens_in),
                Series(_("Tokens out"), "light", figures.tokens_out),
            ],
            compact,
        ),
        lines(
            _("Time to first words"),
            names,
            [
                Series(_("Half of them"), "accent", figures.first_half),
                Series(_("95th percentile"), "warn", figures.first_most),
            ],
            seconds,
        ),
    ]


def _slot(slot: str, period: Period) -> str:
    begin = datetime.fromisoformat(slot)
    return begin.strftime("%H:%M") if period.unit == "hour" else date_format(begin, "m-d")


def _bars(rows: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the rows with their length against the longest."""
    longest = max((row[name] for row in rows), default=0)
    return [{**row, "length": round(row[name] / longest * 100, 1)} for row in rows]


def _queue(row: Mapping[str, Any]) -> dict[str, Any]:
    titles = {"answers": _("Replies"), "indexing": _("Documents"), "jobs": _("Jobs")}
    late = (row["oldest"] or 0) > WARN_AFTER_SECONDS[row["name"]]
    return {**row, "title": titles[row["name"]], "oldest": duration(row["oldest"]), "late": late}


def _documents(states: Mapping[str, int]) -> dict[str, Any]:
    total = sum(states.values())
    rows = [
        {
            "state": state.value,
            "name": state.label,
            "count": states.get(state.value, 0),
            "tone": TONES[state.value],
            "share": round(states.get(state.value, 0) / total * 100, 2) if total else 0,
        }
        for state in (
            Document.Status.READY,
            Document.Status.PROCESSING,
            Document.Status.QUEUED,
            Document.Status.FAILED,
        )
    ]
    return {"total": total, "rows": rows}


def _processes() -> dict[str, Any]:
    newest = Release.objects.order_by("-version").values_list("version", flat=True).first()
    return {"processes": processes.running(), "newest_version": newest or 0}


def _links() -> list[dict[str, str]]:
    settings = runtime.current()
    known = [
        (_("Grafana"), "monitoring", settings.get(registry.LINKS_GRAFANA)),
        (_("Flower"), "local_florist", settings.get(registry.LINKS_FLOWER)),
        (_("API documentation"), "api", settings.get(registry.LINKS_API_DOCS)),
    ]
    return [{"name": name, "icon": icon, "to": to} for name, icon, to in known if to]


def _steps(request: HttpRequest, figures: Figures) -> list[dict[str, Any]]:
    """Return what a new installation still lacks; nothing once all is there."""
    steps = [
        (
            figures.has_model,
            "configs.add_modelendpoint",
            _("Connect a language model"),
            _("Add an endpoint with its key and test the connection. Until then the built-in "
              "model quotes from your documents."),
            reverse("admin:configs_modelendpoint_add"),
        ),
        (
            figures.has_documents,
            "knowledge.add_knowledgebase",
            _("Upload documents"),
            _("Make a knowledge base and drop files into it; answers rest on them."),
            "/knowledge/",
        ),
        (
            figures.has_people,
            "accounts.add_user",
            _("Invite people"),
            _("Everybody gets a link, chooses a password, and has the roles that you give."),
            reverse("admin:accounts_user_add"),
        ),
        (
            figures.has_replies,
            "conversations.add_conversation",
            _("Ask the first question"),
            _("Open the chat and ask something that your documents know."),
            "/",
        ),
    ]  # fmt: skip
    if all(done for done, *_rest in steps):
        return []
    return [
        {"done": done, "title": title, "help": text, "to": to}
        for done, right, title, text, to in steps
        if done or request.user.has_perm(right)
    ]


def compact(number: float) -> str:
    """Return a count in few signs: 950, 1.2k, 3.4M."""
    for size, sign in ((MILLION, "M"), (THOUSAND, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + sign
    return f"{number:.1f}".removesuffix(".0")


def seconds(value: float | None) -> str:
    """Return a short time for people."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def duration(value: float | None) -> str:
    """Return how long something has waited, in the largest unit that fits."""
    if value is None:
        return "–"
    if value < SECONDS_A_MINUTE:
        return _("%(n)d s") % {"n": value}
    if value < SECONDS_AN_HOUR:
        return _("%(n)d min") % {"n": value // SECONDS_A_MINUTE}
    return _("%(n)d h") % {"n": value // SECONDS_AN_HOUR}
