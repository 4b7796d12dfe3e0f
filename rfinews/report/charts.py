"""The charts of a report as data: what a script draws, and a table shows in numbers."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from rfinews.report.judgement import span
from rfinews.report.summary import DAY, Delays, Summary

_DAYS_SINGLY = 185
_DAYS_BY_WEEK = 1100
_EDITIONS_SINGLY = 6
_HOUR = 3600
_LARGE_SHARE = 0.7

OUTCOME_GROUPS = {
    "exported": "exported",
    "unchanged": "unchanged",
    "duplicate": "set aside",
    "offsite": "set aside",
    "robots": "set aside",
    "network": "unreachable",
    "parse": "unusable",
    "invalid": "unusable",
    "unfetched": "not fetched",
}
"""What the chart calls an outcome; ``http_<status>`` is ``refused``, an unknown one ``other``."""
_GROUPS = {  # in the order of the stack, with the number of their colour
    "exported": 1,
    "refused": 2,
    "unreachable": 4,
    "unusable": 3,
    "not fetched": 6,
    "set aside": 5,
    "other": 5,
    "unchanged": 7,
}
_DELAYS = {
    "under 15 min": (0, 900),
    "15–30 min": (900, 1800),
    "30–60 min": (1800, _HOUR),
    "1–2 h": (_HOUR, 2 * _HOUR),
    "2–4 h": (2 * _HOUR, 4 * _HOUR),
    "4–8 h": (4 * _HOUR, 8 * _HOUR),
    "8–24 h": (8 * _HOUR, DAY),
    "1–3 days": (DAY, 3 * DAY),
    "3–7 days": (3 * DAY, 7 * DAY),
    "over 7 days": (7 * DAY, float("inf")),
}


class Bucket(NamedTuple):
    """Days that are shown as one: `label` under the axis, `name` where there is room."""

    first: int
    last: int
    label: str
    name: str


@dataclass(frozen=True)
class Series:
    """Values in the order of the chart's labels; `color` is a number from 1 to 7."""

    name: str
    color: int
    values: list[float | None]
    is_hidden: bool = False


@dataclass(frozen=True)
class Chart:
    """`kind`: bars in a stack, bars with their numbers on them, or lines of seconds on a log axis."""

    id: str
    kind: Literal["stack", "bars", "delays"]
    caption: str
    axis: str
    unit: str
    first_column: str
    labels: list[str]
    names: list[str]
    series: list[Series]

    @property
    def is_empty(self) -> bool:
        return not any(value for series in self.series for value in series.values)

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    def text(self, value: float | None) -> str:
        """Write a value as the table has it."""
        if value is None:
            return "–"
        return span(value) if self.kind == "delays" else f"{value:,.0f}"


def buckets(days: range) -> list[Bucket]:
    """Divide days into days, weeks from Monday or months, as many as a chart can show.

    >>> [bucket.label for bucket in buckets(range(20780, 20782))]
    ['23 Nov', '24 Nov']
    >>> [bucket.name for bucket in buckets(range(20580, 20782))][-1]
    'Week of 23 Nov 2026, so far'
    """
    if len(days) <= _DAYS_SINGLY:
        found = [Bucket(day, day, _date(day, "%-d %b"), _date(day, "%a %-d %b %Y")) for day in days]
    elif len(days) <= _DAYS_BY_WEEK:
        mondays = sorted({day - (day + 3) % 7 for day in days})  # 1 January 1970 was a Thursday
        found = [
            Bucket(day, day + 6, _date(day, "%-d %b %Y"), f"Week of {_date(day, '%-d %b %Y')}")
            for day in mondays
        ]
    else:
        months: dict[str, list[int]] = {}
        for day in days:
            months.setdefault(_date(day, "%b %Y"), []).append(day)
        found = [Bucket(of[0], of[-1], month, month) for month, of in months.items()]
    return [*found[:-1], found[-1]._replace(name=f"{found[-1].name}, so far")]


def _date(day: int, style: str) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).strftime(style)


def _days(bucket: Bucket) -> Iterable[int]:
    return range(bucket.first, bucket.last + 1)


def _over_time(of: list[Bucket], series: list[Series], **what: Any) -> Chart:
    first_column = "Day" if of[0].first == of[0].last and len(of) <= _DAYS_SINGLY else "Time"
    return Chart(
        first_column=first_column,
        labels=[bucket.label for bucket in of],
        names=[bucket.name for bucket in of],
        series=series,
        **what,
    )


def articles(summary: Summary, of: list[Bucket]) -> Chart:
    """Articles by the day on which they were first crawled; small editions together."""
    totals = {edition: days.total() for edition, days in summary.articles.items()}
    ranked = sorted(totals, key=lambda edition: (-totals[edition], edition))
    alone = ranked if len(ranked) <= _EDITIONS_SINGLY + 1 else ranked[:_EDITIONS_SINGLY]
    rest = ranked[len(alone) :]
    groups = {edition: [edition] for edition in alone}
    if rest:
        groups[f"{len(rest)} others"] = rest
    series = [
        Series(
            name,
            number,
            [
                sum(summary.articles[edition][day] for edition in editions for day in _days(bucket))
                for bucket in of
            ],
        )
        for number, (name, editions) in enumerate(groups.items(), 1)
    ]
    return _over_time(
        of,
        series,
        id="articles",
        kind="stack",
        caption="New articles by edition, by the day of their first crawl",
        axis="articles",
        unit="articles",
    )


def outcomes(summary: Summary, of: list[Bucket]) -> Chart:
    """Addresses by what became of them. Where most are unchanged, these start hidden."""
    counts: dict[str, list[float | None]] = {}
    for number, bucket in enumerate(of):
        for day in _days(bucket):
            for outcome, count in summary.outcomes.get(day, {}).items():
                group = OUTCOME_GROUPS.get(outcome, "other")
                group = "refused" if outcome.startswith("http_") else group
                values = counts.setdefault(group, [0] * len(of))
                values[number] = (values[number] or 0) + count
    totals = {group: sum(value or 0 for value in values) for group, values in counts.items()}
    most = totals.get("unchanged", 0) > _LARGE_SHARE * sum(totals.values())
    return _over_time(
        of,
        [
            Series(group, color, counts[group], is_hidden=group == "unchanged" and most)
            for group, color in _GROUPS.items()
            if group in counts
        ],
        id="outcomes",
        kind="stack",
        caption="Addresses by what became of them, by the day on which their crawl began",
        axis="addresses",
        unit="addresses",
    )


def delays(summary: Summary, of: list[Bucket]) -> Chart:
    """Percentiles of the time from publication to crawl."""
    shares = {"90 %": (2, 0.9), "75 %": (5, 0.75), "half": (1, 0.5), "25 %": (5, 0.25)}
    found = []
    for bucket in of:
        total = Delays()
        for day in _days(bucket):
            if day in summary.delays:
                total += summary.delays[day]
        found.append(total)
    return _over_time(
        of,
        [
            Series(name, color, [_rounded(each.percentile(share)) for each in found])
            for name, (color, share) in shares.items()
        ],
        id="delays",
        kind="delays",
        caption="Time after publication within which shares of the new articles were crawled",
        axis="time from publication to crawl",
        unit="",
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value)


def delay_ranges(summary: Summary) -> Chart:
    """How many new articles were crawled how long after their publication."""
    total = Delays()
    for each in summary.delays.values():
        total += each
    return Chart(
        id="delay-ranges",
        kind="bars",
        caption="New articles by the time from publication to crawl, all days shown",
        axis="articles",
        unit="articles",
        first_column="Delay",
        labels=list(_DELAYS),
        names=list(_DELAYS),
        series=[Series("articles", 1, [total.between(*limits) for limits in _DELAYS.values()])],
    )
