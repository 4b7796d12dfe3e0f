"""Is all well? What the last crawls, their rhythm and the editions' usual numbers say to that."""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

from rfinews.report.reading import Crawl
from rfinews.report.summary import DAY, USUAL_DAYS, WEEK, History, Summary

Level = Literal["good", "attention", "bad", "none"]
SetState = Literal["ok", "failed", "running", "died", "overdue", "stopped"]

#: After so long without a crawl a set of arguments is no longer expected to run.
STOPPED_AFTER = 30 * DAY
_HOUR = 3600
_YEAR = 365 * DAY
_CRAWLS_OF_A_RHYTHM = 4
_RECENT_INTERVALS = 20

#: What a finish reason means where it does not say it itself.
REASONS = {
    "no_feed": "no feed was to be had",
    "no_store": "the store of known articles could not be used",
    "not_stored": "a file could not be stored",
    "recovered": "it died; the next crawl completed what it had",
    "shutdown": "it was interrupted",
    "memusage_exceeded": "it took too much memory",
}


@dataclass(frozen=True)
class Verdict:
    """How a set of arguments fares. `every` is its rhythm in seconds, if it has one."""

    history: History
    state: SetState
    level: Level
    detail: str
    every: int | None


@dataclass(frozen=True)
class Headline:
    """The answer, and what it rests on: a line for each thing that is not well."""

    level: Level
    title: str
    lines: list[str]


def judge(summary: Summary) -> list[Verdict]:
    """Judge each set of arguments; what is not well comes first, then the newest."""
    verdicts = [judge_set(history, summary.now) for history in summary.histories.values()]
    order = ("bad", "attention", "good", "none")
    return sorted(verdicts, key=lambda v: (order.index(v.level), -v.history.last.started))


def judge_set(history: History, now: int) -> Verdict:
    """Judge a spider with its arguments by its last crawl and by when the next one is due."""
    every, late_after = rhythm(history.starts)
    last = history.last
    silence = now - last.started

    def verdict(state: SetState, level: Level, *details: str) -> Verdict:
        return Verdict(history, state, level, "; ".join(details), every)

    if silence > STOPPED_AFTER:
        return verdict("stopped", "none", "not run for a month, and no longer expected")
    if last.state == "running":
        usual = max(history.durations, default=None)
        if usual is not None and silence > 3 * usual + _HOUR:
            return verdict("running", "attention", f"the ones before took {span(usual)} at most")
        before = history.ended
        if before is not None and before.state != "ok":
            why = "; ".join(_why(before))
            return verdict("running", "attention", f"the one before {before.state}: {why}")
        return verdict("running", "good")
    rule = [f"usually every {span(every)}"] if every is not None else []
    is_late = late_after is not None and silence > late_after
    if last.state != "ok":
        details = _why(last) + ["none since", *rule] * is_late
        # Of one that was run by hand nobody wants to hear each morning for a month.
        is_news = every is not None or silence < WEEK
        state: SetState = "died" if last.state == "died" else "failed"
        return verdict(state, "bad" if is_news else "none", *details)
    if is_late:
        return verdict("overdue", "bad", *rule)
    return verdict("ok", "good")


def _why(crawl: Crawl) -> list[str]:
    if crawl.state == "died":
        return ["the next crawl completes what it had"]
    reason = crawl.finish_reason
    told = f"{reason}: {REASONS[reason]}" if reason in REASONS else reason
    return [*crawl.monitors] or [told]


def rhythm(starts: list[int]) -> tuple[int | None, int | None]:
    """How often crawls began, and after how many seconds the next one is late.

    `starts` come the newest first. There is no rhythm in fewer than four crawls nor in less than a
    day. Late is half as much again as the intervals (nine in ten of the last twenty) and ten
    minutes.

    >>> rhythm([300_000, 200_000, 100_000, 0])
    (100000, 150600)
    >>> rhythm([300, 200, 100, 0])
    (None, None)
    """
    if len(starts) < _CRAWLS_OF_A_RHYTHM or starts[0] - starts[-1] < DAY:
        return None, None
    recent = starts[: _RECENT_INTERVALS + 1]
    intervals = sorted(later - earlier for later, earlier in pairwise(recent))
    long = intervals[(len(intervals) - 1) * 9 // 10]
    return int(median(intervals)), max(long * 3 // 2 + 600, _HOUR)


def usual(summary: Summary, edition: str) -> float:
    """The median of an edition's articles a day in the two weeks before today."""
    days = range(summary.today - USUAL_DAYS, summary.today)
    return median(summary.lately[edition][day] for day in days) if edition in summary.lately else 0


def quiet(summary: Summary) -> list[str]:
    """Tell of editions that had articles nearly every day, and have none now."""
    lines = []
    for edition, last in sorted(summary.last_new.items()):
        a_day = usual(summary, edition)
        silence = summary.now - last
        if a_day >= 1 and silence > max(DAY, 5 * DAY / a_day):
            lines.append(
                f"{edition}: no new article for {span(silence)}; usually {a_day:,.0f} a day"
            )
    return lines


def headline(summary: Summary, verdicts: list[Verdict]) -> Headline:
    """Answer the question of the morning."""
    if not summary.histories and not summary.faults.total:
        return Headline(
            "none", "No crawl yet", ["The first one leaves its files here: scrapy crawl feedx"]
        )
    judged = [verdict for verdict in verdicts if verdict.level in ("bad", "attention")]
    lines = [_line(verdict, summary.now) for verdict in judged]
    bad = [verdict for verdict in judged if verdict.level == "bad"]
    late = sum(verdict.state == "overdue" for verdict in bad)
    silent = quiet(summary)
    lines += silent
    if faults := summary.faults.total:
        lines.append(f"{faults:,} damaged or missing files or lines, listed below")
    if bad:
        return Headline("bad", _title(len(bad) - late, late), lines)
    if not verdicts:
        return Headline("bad", "No crawl can be read", lines)
    if all(verdict.state == "stopped" for verdict in verdicts):
        return Headline("bad", "No crawl in the last 30 days", lines)
    if lines:
        return Headline("attention", "Crawls run, with something to look at", lines)
    return Headline("good", "All is well", lines)


def _line(verdict: Verdict, now: int) -> str:
    """Tell what is not well, and since when."""
    since = span(max(now - verdict.history.last.started, 0))
    when = {
        "running": f"is running for {since}",
        "overdue": f"is overdue: the last began {since} ago",
    }
    what = when.get(verdict.state, f"{verdict.state} {since} ago")
    return f"{verdict.history.name} {what}; {verdict.detail}"


def _title(failed: int, late: int) -> str:
    """Say how many crawls are not well.

    >>> _title(1, 0), _title(2, 1), _title(0, 2)
    ('1 crawl failed', '2 crawls failed, 1 is overdue', '2 crawls are overdue')
    """
    is_overdue = f"{'is' if late == 1 else 'are'} overdue"
    if not failed:
        return f"{late} crawl{'s' * (late != 1)} {is_overdue}"
    title = f"{failed} crawl{'s' * (failed != 1)} failed"
    return f"{title}, {late} {is_overdue}" if late else title


def span(seconds: float) -> str:
    """Say how long in one unit, as people do.

    >>> span(45), span(3590), span(5400), span(36 * 3600), span(86_400 * 3)
    ('45 s', '1 h', '1.5 h', '36 h', '3 days')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if (minutes := round(seconds / 60)) < 90 and minutes != 60:
        return f"{minutes} min"
    if seconds < 10 * _HOUR:
        return f"{round(seconds / _HOUR, 1):g} h"
    if seconds < 2 * DAY:
        return f"{seconds / _HOUR:.0f} h"
    if seconds < 2 * _YEAR:
        return f"{seconds / DAY:.0f} days"
    return f"{round(seconds / _YEAR, 1):g} years"
