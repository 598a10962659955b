"""Charts as numbers: where bars, lines and labels stand; the template draws them as SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

HEIGHT: Final = 100.0
STEP: Final = 20.0
BAR: Final = 14.0
LABELS: Final = 7
"""Labels below a chart, at most."""


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that is drawn; `tone` names its colour in the style sheet."""

    name: str
    tone: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Rect:
    """A piece of a bar."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through the slots that have a value; a value without neighbours is a dot."""

    tone: str
    pieces: Sequence[str]
    dots: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Spot:
    """A slot as the pointer finds it: where it stands, and what it says."""

    x: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its axes, and its figures as a table."""

    title: str
    width: float
    series: Sequence[Series]
    spots: Sequence[Spot]
    labels: Sequence[tuple[float, str]]
    scale: Sequence[tuple[float, str]]
    table: Sequence[tuple[str, Sequence[str]]]
    rects: Sequence[Rect] = field(default_factory=list)
    lines: Sequence[Line] = field(default_factory=list)


def bars(
    title: str, slots: Sequence[str], series: Sequence[Series], show: Callable[[float], str]
) -> Chart:
    """Stack the series in one bar a slot."""
    totals = [sum(value or 0 for value in column) for column in _columns(series)]
    top = nice(max(totals, default=0))
    rects: list[Rect] = []
    for at, column in enumerate(_columns(series)):
        below = 0.0
        for one, value in zip(series, column, strict=True):
            height = (value or 0) / top * HEIGHT
            if height:
                x = at * STEP + (STEP - BAR) / 2
                rects.append(Rect(x, HEIGHT - below - height, BAR, height, one.tone))
            below += height
    return _chart(title, slots, series, show, top, rects=rects)


def lines(
    title: str, slots: Sequence[str], series: Sequence[Series], show: Callable[[float], str]
) -> Chart:
    """Draw a line for each series."""
    known = [value for one in series for value in one.values if value is not None]
    top = nice(max(known, default=0))
    drawn = [_line(one, top) for one in series]
    return _chart(title, slots, series, show, top, lines=drawn)


def _line(series: Series, top: float) -> Line:
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(series.values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((at * STEP + STEP / 2, HEIGHT - value / top * HEIGHT))
    drawn = [" ".join(f"{x:.1f},{y:.1f}" for x, y in piece) for piece in pieces if len(piece) > 1]
    return Line(series.tone, drawn, [piece[0] for piece in pieces if len(piece) == 1])


def _columns(series: Sequence[Series]) -> Sequence[tuple[float | None, ...]]:
    return list(zip(*(one.values for one in series), strict=True))


def _chart(  # noqa: PLR0913  # the parts of one chart
    title: str,
    slots: Sequence[str],
    series: Sequence[Series],
    show: Callable[[float], str],
    top: float,
    *,
    rects: Sequence[Rect] = (),
    lines: Sequence[Line] = (),
) -> Chart:
    table = [
        (slot, ["–" if value is None else show(value) for value in column])
        for slot, column in zip(slots, _columns(series), strict=True)
    ]
    spots = [
        Spot(at * STEP, "\n".join([slot, *_said(series, shown)]))
        for at, (slot, shown) in enumerate(table)
    ]
    scale = [(0.0, show(top)), (50.0, show(top / 2)), (100.0, show(0))]
    width = len(slots) * STEP
    return Chart(title, width, series, spots, _labels(slots), scale, table, rects, lines)


def _said(series: Sequence[Series], shown: Sequence[str]) -> list[str]:
    return [f"{one.name}: {text}" for one, text in zip(series, shown, strict=True)]


def _labels(slots: Sequence[str]) -> Sequence[tuple[float, str]]:
    """Return some of the slots' names with their places in percent, the newest among them."""
    every = max(1, math.ceil(len(slots) / LABELS))
    places = range((len(slots) - 1) % every, len(slots), every)
    return [(round((at + 0.5) / len(slots) * 100, 2), slots[at]) for at in places]


def nice(most: float) -> float:
    """Return a round number that is not below `most`: 1, 2 or 5 with zeros."""
    if most <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return next(unit * step for step in (1, 2, 5, 10) if unit * step >= most * 0.999)
