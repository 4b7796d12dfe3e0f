"""What is wrong with a crawl: one rule a monitor, over its figures and those of the crawls before it.

A rule returns a line with the numbers when its monitor fails, and `None` when all is well. It raises
`NotJudged` where the crawl gives it nothing to judge by, as a crawl of unchanged feeds does: then what
was wrong before may still be.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from statistics import median
from typing import NamedTuple

from rfinews import dates
from rfinews.figures import FIELDS, Alarm, Figures
from rfinews.manifest import DONE
from rfinews.verify import printable

#: Pages or articles that a share is taken of, or more, so that two refused of three are no alarm.
_ENOUGH = 20
#: Crawls without which nobody knows what is usual.
_USUAL = 3
#: Entries without which the length of a feed, or that none of them is known, says little.
_LONG_FEED = 5
#: Standard deviations by which a field's share must differ, so that chance is no alarm.
_DEVIATIONS = 3
_NAMED = 3  # feeds that a line names
_HOUR = 3600
#: Sources of a body that stand in for the selectors (`rfinews.parsers.fallback`).
_FALLBACK = ("json-ld", "trafilatura")


class Limits(NamedTuple):
    """What is borne. Shares are from 0 to 1."""

    hours: float = 24
    """Without news, and age of the newest article that feeds tell of."""
    fall: float = 0.5
    """Part of its usual length below which a feed is too short."""
    refused: float = 0.1
    unparsed: float = 0.1
    fallback: float = 0.1
    fields: float = 0.2
    """By how much the share of articles with a field may be smaller than usual."""


class NotJudged(Exception):
    """Raised by a rule: there is nothing in this crawl to judge by; its text says what is missing."""


Rule = Callable[[Figures, Sequence[Figures], Limits], str | None]


class Judgement(NamedTuple):
    """What the monitors say of a crawl."""

    failed: list[Alarm]
    not_judged: list[Alarm]
    """Failed before, and this crawl says nothing of them."""
    recovered: list[Alarm]
    """Failed before, and do no more."""

    def as_notes(self) -> dict[str, list[dict[str, str | None]]]:
        """What the manifest says of it."""
        return {
            "failed": [as_note(alarm) for alarm in self.failed],
            "not_judged": [as_note(alarm) for alarm in self.not_judged],
        }


def as_note(alarm: Alarm) -> dict[str, str | None]:
    return alarm._asdict() | {"since": dates.from_seconds(alarm.since)}


def judgement(
    said: Mapping[str, str | NotJudged | None], now: Figures, before: Sequence[Figures]
) -> Judgement:
    """Put what each monitor says beside what it said of the last crawl that had monitors."""
    last = next((each.alarms for each in before if each.alarms is not None), {})
    judged = Judgement([], [], [])
    for name, message in said.items():
        alarm = last.get(name)
        if isinstance(message, str):
            since = alarm.since if alarm else now.finished_at
            judged.failed.append(Alarm(name, message, since))
        elif alarm is not None:
            (judged.recovered if message is None else judged.not_judged).append(alarm)
    return judged


# ------------------------------------------------------------------------------------------ the rules


def unfinished(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """The crawl did not do its job: no feed, a full disk, an unusable store."""
    return None if now.reason in DONE else f"the crawl ended with {now.reason}"


def no_articles(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """No article, neither new nor known; or nothing new for too long.

    A crawl of unchanged feeds exports nothing, and that is no fault.
    """
    if not now.met and not now.not_modified:
        total = sum(now.outcomes.values())
        return f"no article among {total} addresses{_listed(now.outcomes)}"
    if not any(each.feeds or each.not_modified for each in (now, *before)):
        return None  # an archive is not expected to have news
    since = now.news_at or min((each.started_at for each in before), default=None)
    if since is None or now.finished_at - since <= limits.hours * _HOUR:
        return None
    return f"nothing to export for {_hours(now.finished_at - since)}, longer than {limits.hours:g}"


def fall(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """A feed, sitemap or section names far fewer articles than it usually does."""
    usual = [each for each in before if _was_well(each, "fall")]
    judged, short = False, []
    for url, feed in now.feeds.items():
        lengths = [each.feeds[url].entries for each in usual if url in each.feeds]
        lengths = [length for length in lengths if length]
        if len(lengths) < _USUAL or (length := median(lengths)) < _LONG_FEED:
            continue
        judged = True
        if feed.entries < limits.fall * length:
            short.append(
                f"{printable(url)} names {feed.entries} articles, usually {length:g} "
                f"(median of {len(lengths)} crawls)"
            )
    if not judged:
        raise NotJudged("no feed of which it is known how long it usually is")
    return _told(short)


def gap(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """A feed does not reach back to what is known of it: between the crawls articles were missed."""
    judged, torn = False, []
    for url, feed in now.feeds.items():
        is_mostly_wanted = feed.articles * 2 >= feed.entries
        if feed.entries < _LONG_FEED or not is_mostly_wanted:
            continue
        last = next(
            (each for each in before if url in each.feeds and each.feeds[url].articles), None
        )
        if last is None:
            continue
        judged = True
        if not feed.known:
            torn.append(
                f"{printable(url)} names {feed.entries} articles and none of those that it named "
                f"{_hours(now.started_at - last.started_at)} ago"
            )
    if not judged:
        raise NotJudged("no feed that had been read before")
    return _told(torn)


def feed_age(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """The newest article that the feeds of an edition tell of is old."""
    if not now.newest:
        raise NotJudged("no feed with dates")
    return _told(
        [
            f"the newest article of {edition} is of {dates.from_seconds(at)}, "
            f"{_hours(now.finished_at - at)} ago, longer than {limits.hours:g}"
            for edition, at in sorted(now.newest.items())
            if now.finished_at - at > limits.hours * _HOUR
        ]
    )


def refused(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """Many pages could not be had: refused, not reached, or forbidden by robots.txt."""
    return _share(now, _is_refusal, "could not be had", limits.refused)


def unparsed(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """Many pages or entries came and held no article, or not enough of one."""
    return _share(now, ("parse", "invalid").__contains__, "gave no article", limits.unparsed)


def fallback(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """Texts come from JSON-LD or are guessed, because no selector finds them: a new layout."""
    if not now.bodies:
        raise NotJudged("no page was read")
    guessed = {name: now.bodies.get(name, 0) for name in _FALLBACK}
    what = "pages have a text that no selector found"
    return _too_many(what, guessed, now.bodies, limits.fallback)


def fields(now: Figures, before: Sequence[Figures], limits: Limits) -> str | None:
    """A field is missing from more articles than usual."""
    if not now.articles:
        raise NotJudged("no article was exported")
    recent, number = [now], now.articles
    for each in before:  # an hour's articles say little
        if number >= _ENOUGH:
            break
        recent.append(each)
        number += each.articles
    older = [each for each in before[len(recent) - 1 :] if _was_well(each, "fields")]
    number_before = sum(each.articles for each in older)
    if min(number, number_before) < _ENOUGH:
        raise NotJudged(f"only {number} articles to compare with {number_before}")
    missing = []
    for name in FIELDS:
        share = sum(each.fields.get(name, 0) for each in recent) / number
        usual = sum(each.fields.get(name, 0) for each in older) / number_before
        chance = _DEVIATIONS * sqrt(usual * (1 - usual) / number)
        is_missing = now.fields.get(name, 0) < now.articles
        if is_missing and usual - share > max(limits.fields, chance):
            missing.append(f"{name} in {_percent(share)}, usually {_percent(usual)}")
    return f"{', '.join(missing)} of {number} articles" if missing else None


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        unfinished,
        no_articles,
        fall,
        gap,
        feed_age,
        refused,
        unparsed,
        fallback,
        fields,
    )
}
#: Those that one of several workers can judge, to whom a feed's articles are as good as lost.
OF_A_WORKER = ("unfinished", "refused", "unparsed", "fallback", "fields")


# ---------------------------------------------------------------------------------------- their tools


def _is_refusal(outcome: str) -> bool:
    return outcome.startswith("http_") or outcome in ("network", "robots")


def _share(now: Figures, is_meant: Callable[[str], bool], what: str, limit: float) -> str | None:
    """Judge pages, and all addresses: among those the few pages that were asked are hardly seen."""
    if not now.outcomes and not now.pages:
        raise NotJudged("nothing was asked")
    pages = {"read": sum(now.bodies.values()), **now.pages}
    for counts, of in ((pages, "pages"), (now.outcomes, "addresses")):
        bad = {name: count for name, count in counts.items() if is_meant(name)}
        if told := _too_many(f"{of} {what}", bad, counts, limit):
            return told
    return None


def _too_many(
    what: str, some: Mapping[str, int], all_: Mapping[str, int], limit: float
) -> str | None:
    """Say that some are more than `limit` of all; of few, as if they were more."""
    number, total = sum(some.values()), sum(all_.values())
    if number <= limit * max(total, _ENOUGH):
        return None
    least = f" of at least {_ENOUGH}" if total < _ENOUGH else ""
    return (
        f"{number} of {total} {what}{_listed(some)}: {_percent(number / total)}, "
        f"more than {_percent(limit)}{least}"
    )


def _was_well(crawl: Figures, monitor: str) -> bool:
    """Whether a crawl tells what is usual: it did its job and the monitor did not fail."""
    return crawl.reason in DONE and monitor not in (crawl.alarms or {})


def _told(faults: Sequence[str]) -> str | None:
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return "; ".join(faults[:_NAMED]) + more if faults else None


def _listed(counts: Mapping[str, int]) -> str:
    """Return counts in parentheses, the largest first.

    >>> _listed({"parse": 2, "http_403": 38, "robots": 0})
    ' (38 http_403, 2 parse)'
    """
    return f" ({', '.join(_largest_first(counts))})" if any(counts.values()) else ""


def _largest_first(counts: Mapping[str, int]) -> Iterator[str]:
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count:
            yield f"{count} {name}"


def _percent(share: float) -> str:
    """Return a share for a person.

    >>> _percent(0.125), _percent(1.0)
    ('12.5 %', '100 %')
    """
    return f"{round(100 * share, 1):g} %"


def _hours(seconds: float) -> str:
    """Return seconds for a person.

    >>> _hours(5400), _hours(3600)
    ('1.5 hours', '1 hour')
    """
    hours = round(seconds / _HOUR, 1)
    return f"{hours:g} hour{'s' * (hours != 1)}"
