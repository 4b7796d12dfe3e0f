"""The report as one HTML file that loads nothing: markup from `html`, styles and scripts by their hash."""

import base64
import hashlib
import importlib.resources
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

import orjson

from rfinews import __version__
from rfinews.report import charts
from rfinews.report.charts import Chart
from rfinews.report.html import Child, h, markup
from rfinews.report.judgement import (
    REASONS,
    Headline,
    Level,
    Verdict,
    headline,
    judge,
    span,
    usual,
)
from rfinews.report.parts import (
    ago,
    badge,
    chart_figure,
    counted,
    detail,
    head,
    nothing,
    number,
    number_head,
    percent,
    section,
    size,
    spark,
    spider_name,
    strip,
    table,
    time,
)
from rfinews.report.reading import COVERED, Crawl, Record
from rfinews.report.summary import DAY, Summary

CHART_LIBRARY = "chart-4.6.1.umd.min.js"
_ASSETS = importlib.resources.files("rfinews.report") / "assets"

_SETS_SHOWN = 20
_OTHER_SETS_SHOWN = 200
_FAILURES_SHOWN = 20
_SPARK_DAYS = 28

_SIGNS: dict[Level, str] = {"good": "✓", "attention": "!", "bad": "✕", "none": "–"}
# The colours of the icon in the browser's tab, as in report.css.
_ICON = {"good": "#0f7a5c", "attention": "#9a5b00", "bad": "#b3261e", "none": "#6b7280"}
_NAV = {
    "state": "Spiders",
    "crawls": "Crawls",
    "damage": "Damaged",
    "articles": "Articles",
    "outcomes": "Outcomes",
    "delays": "Delay",
    "coverage": "Coverage",
    "newest": "Newest",
}
_FIELD_LABELS = {
    "article_body": "text",
    "date_published": "published",
    "date_modified": "modified",
    "alternates": "translations",
}


def render(summary: Summary, *, sources: Sequence[str], with_images: bool = False) -> bytes:
    """Write the page. `sources` are the directories that it tells of, as the user named them."""
    verdicts = judge(summary)
    answer = headline(summary, verdicts)
    parts: list[Element | None] = [_answer(summary, answer, sources)]
    drawn: list[Chart] = []
    if answer.level != "none":
        of = charts.buckets(summary.days)
        drawn = [
            charts.articles(summary, of),
            charts.outcomes(summary, of),
            charts.delays(summary, of),
            charts.delay_ranges(summary),
        ]
        parts += [
            _key_figures(summary),
            _sets(summary, verdicts),
            _crawls(summary),
            _faults(summary),
            section("articles", "Articles", chart_figure(drawn[0]), _editions(summary)),
            _outcomes(summary, drawn[1]),
            _delays(*drawn[2:]),
            _coverage(summary),
            _newest(summary, with_images=with_images),
        ]
    data = {
        "made": summary.now,
        "charts": [chart.as_data() for chart in drawn if not chart.is_empty],
    }
    sections = [part for part in parts if part is not None]
    return _page(answer, sections, data, with_images=with_images).encode()


def _page(
    answer: Headline, sections: Sequence[Element], data: dict[str, Any], *, with_images: bool
) -> str:
    library, *_ = _asset(CHART_LIBRARY).partition("//# sourceMappingURL")
    script = f"/*\n{_asset('chart-LICENSE.md')}*/\n{library}\n{_asset('report.js')}"
    style = _asset("report.css")
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        f"img-src data:{' https:' if with_images else ''}; base-uri 'none'; form-action 'none'"
    )
    icon = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<circle cx='8' cy='8' r='7' fill='{_ICON[answer.level]}'/></svg>"
    )
    return Template(_asset("template.html")).substitute(
        policy=escape(policy),
        title=escape(f"{_SIGNS[answer.level]} {answer.title} – rfinews"),
        icon=f"data:image/svg+xml,{quote(icon)}",
        style=style,
        nav=markup(_nav(sections)) if len(sections) > 1 else "",
        main="\n".join(map(markup, sections)),
        version=__version__,
        # `<` is the only way out of a script element.
        data=orjson.dumps(data).decode().replace("<", "\\u003c"),
        script=script,
    )


def _nav(sections: Sequence[Element]) -> Element:
    links = [
        h("a", _NAV[section.attrib["id"]], href=f"#{section.attrib['id']}")
        for section in sections
        if section.attrib.get("id") in _NAV
    ]
    return h("nav", links, aria_label="Sections")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Name an inline script or style for a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# --------------------------------------------------------------------------------------- the answer


def _answer(summary: Summary, answer: Headline, sources: Sequence[str]) -> Element:
    made = datetime.fromtimestamp(summary.now, UTC)
    named: list[Child] = []
    for source in sources:
        named += [", " if named else None, h("code", source)]
    sign = h("span", _SIGNS[answer.level], class_="sign", aria_hidden="true")
    reasons = h("ul", [h("li", line) for line in answer.lines], class_="reasons")
    return h(
        "header",
        h("p", h("strong", "rfinews"), " crawls in ", named, class_="kicker"),
        h("h1", sign, answer.title, class_=f"answer {answer.level}"),
        reasons if answer.lines else None,
        h(
            "p",
            "As of ",
            h("time", f"{made:%A %-d %B %Y, %H:%M} UTC", datetime=f"{made:%Y-%m-%dT%H:%M:%SZ}"),
            h("span", id="age", class_="attention", hidden=True),
            ". ",
            _period(summary),
            "All times are UTC.",
            class_="made",
        ),
    )


def _period(summary: Summary) -> str:
    if not summary.crawls:
        return ""
    days = summary.days
    first = datetime.fromtimestamp(days[0] * DAY, UTC)
    return (
        f"{counted(summary.crawls, 'crawl')} began in the {len(days):,} days "
        f"since {first:%-d %B %Y}. "
    )


def _key_figures(summary: Summary) -> Element | None:
    if not summary.histories:
        return None
    ran = summary.day_states.total()
    not_well = ran - summary.day_states["ok"] - summary.day_states["running"]
    ended = f"{not_well:,} did not end well" if not_well else "all ended well" if ran else ""
    a_day = sum(usual(summary, edition) for edition in summary.last_new)
    half, most = summary.week_delays.percentile(0.5), summary.week_delays.percentile(0.9)
    total = sum(days.total() for days in summary.articles.values())
    changes = (
        f"{counted(summary.updates.total(), 'update')}, {summary.retracted.total():,} retracted"
    )
    return h(
        "dl",
        _figure(
            "New articles, last 24 hours",
            f"{summary.day_articles:,}",
            f"usually {a_day:,.0f} a day" if a_day else "",
        ),
        _figure("Crawls, last 24 hours", f"{ran:,}", ended, "bad" if not_well else ""),
        _figure(
            "From publication to crawl",
            "–" if half is None else span(half),
            "" if most is None else f"median of the last 7 days; 9 in 10 within {span(most)}",
        ),
        _figure("Articles, all days shown", f"{total:,}", changes),
        class_="figures",
    )


def _figure(label: str, value: str, note: str, tone: str = "") -> Element:
    explained = h("dd", note, class_=f"note {tone}".rstrip()) if note else None
    return h("div", h("dt", label), h("dd", value), explained)


def _faults(summary: Summary) -> Element | None:
    faults = summary.faults
    if not faults.total:
        return None
    files = faults.total - faults.lines
    parts = [counted(files, "file")] * bool(files)
    parts += [counted(faults.lines, "line")] * bool(faults.lines)
    said = (
        f"{' and '.join(parts)} could not be read, or not to the end, and are not in the numbers "
        "below. To check every file to the last byte: "
    )
    rows = [
        h("tr", h("td", h("code", fault.path), class_="path"), h("td", fault.detail))
        for fault in faults.shown
    ]
    return section(
        "damage",
        "Damaged or missing",
        h("p", said, h("code", "scrapy verify")),
        table("Damaged or missing", [head("File"), head("What is wrong")], rows, is_tall=True),
    )


# ------------------------------------------------------------------------------------------- crawls


def _sets(summary: Summary, verdicts: Sequence[Verdict]) -> Element | None:
    if not verdicts:
        return None
    shown = [verdict for verdict in verdicts if verdict.level != "none"][:_SETS_SHOWN]
    others = [verdict for verdict in verdicts if verdict not in shown]
    folded = None
    if others and shown:
        counted_others = f"{counted(len(others), 'other')}, not run for long or run by hand"
        folded = h(
            "details",
            h("summary", counted_others),
            _sets_table(summary, others[:_OTHER_SETS_SHOWN]),
        )
    return section(
        "state",
        "Spiders and their last crawls",
        _sets_table(summary, shown or others[:_SETS_SHOWN]),
        folded,
    )


def _sets_table(summary: Summary, verdicts: Sequence[Verdict]) -> Element:
    heads = [
        head("State"),
        head("Spider and arguments"),
        head("Last began"),
        number_head("Articles"),
        head("Last 24 hours"),
        head("Last crawls, newest right"),
    ]
    rows = [_set_row(summary, verdict) for verdict in verdicts]
    label = "Spiders with their arguments, and how their last crawls ended"
    return table(label, heads, rows, class_="sets", is_stacked=True)


def _set_row(summary: Summary, verdict: Verdict) -> Element:
    history = verdict.history
    well = sum(state in ("ok", "running") for state in history.states)
    last_day = f"{counted(history.day_crawls, 'crawl')}, {counted(history.day_exported, 'article')}"
    return h(
        "tr",
        h("td", badge(verdict.state), class_="state"),
        h(
            "th",
            spider_name(history.spider, history.arguments),
            detail(verdict.detail, verdict.level),
            [detail(f"failed before, not judged now: {why}") for why in history.last.not_judged],
            [detail(f"left alone: {why}") for why in history.last.left_alone],
            scope="row",
        ),
        h(
            "td",
            time(history.last.started, summary.now),
            detail(ago(history.last.started, summary.now)),
        ),
        number("–" if history.ended is None else f"{history.ended.exported:,}"),
        h("td", last_day, detail(f"every {span(verdict.every)}" if verdict.every else None)),
        h("td", strip(history.states), detail(f"{well} of {len(history.states)} well")),
    )


def _crawls(summary: Summary) -> Element | None:
    if not summary.recent:
        return None
    older = summary.older_not_ok
    not_well = len(older) + sum(crawl.state not in ("ok", "running") for crawl in summary.recent)
    order = "Newest first."
    if summary.crawls > len(summary.recent):
        order = f"The last {len(summary.recent)} of {summary.crawls:,}, newest first."
    box = h("input", type="checkbox", id="only-not-ok")
    only = h(
        "label", box, f" Only those that did not end well ({not_well:,})", id="filter", hidden=True
    )
    heads = [
        head("State"),
        head("Began"),
        head("Spider and arguments"),
        head("Finish reason"),
        number_head("Exported"),
        head("Other outcomes"),
        number_head("Duration"),
        number_head("Files"),
    ]
    rows = [_crawl_row(crawl, summary.now) for crawl in summary.recent]
    rows += [_crawl_row(crawl, summary.now, is_older=True) for crawl in older]
    return section(
        "crawls",
        "Last crawls",
        h("p", order, only, class_="tools"),
        table(
            "Last crawls, newest first", heads, rows, class_="crawls", is_tall=True, is_stacked=True
        ),
    )


def _crawl_row(crawl: Crawl, now: int, *, is_older: bool = False) -> Element:
    others = sorted(
        (count, name) for name, count in crawl.outcomes.items() if name != "exported" and count
    )
    return h(
        "tr",
        h("td", badge(crawl.state), class_="state"),
        h("td", time(crawl.started, now)),
        h("td", spider_name(crawl.spider, crawl.arguments)),
        h(
            "td",
            crawl.finish_reason or "–",
            detail(REASONS.get(crawl.finish_reason)),
            [detail(monitor, "bad") for monitor in crawl.monitors],
        ),
        number("–" if crawl.finished is None else f"{crawl.exported:,}"),
        h("td", ", ".join(f"{count:,}\u00a0{name}" for count, name in reversed(others)) or "–"),
        number("–" if crawl.duration is None else span(crawl.duration)),
        number(f"{crawl.files}, {size(crawl.size)}" if crawl.files else "–"),
        hidden=is_older,
        data_older=is_older,
        data_state=crawl.state,
    )


# ------------------------------------------------------------------------------- articles, outcomes


def _editions(summary: Summary) -> list[Element]:
    if not summary.articles:
        return []
    ranked = sorted(summary.articles, key=lambda edition: -summary.articles[edition].total())
    days = range(max(summary.days[0], summary.today - _SPARK_DAYS + 1), summary.today + 1)
    heads = [
        head("Edition"),
        number_head("Articles"),
        number_head("Yesterday"),
        number_head("Today so far"),
        number_head("Usual a day"),
        head("Last new"),
        head(f"Last {counted(len(days), 'day')}"),
    ]
    rows = [_edition_row(summary, edition, days) for edition in ranked]
    return [h("h3", "Editions"), table("Editions", heads, rows, class_="editions")]


def _edition_row(summary: Summary, edition: str, days: range) -> Element:
    counts = summary.articles[edition]
    last = summary.last_new.get(edition)
    return h(
        "tr",
        head(edition, "row"),
        number(f"{counts.total():,}"),
        number(f"{counts[summary.today - 1]:,}"),
        number(f"{counts[summary.today]:,}"),
        number(f"{usual(summary, edition):,.0f}"),
        h("td", "archives only" if last is None else ago(last, summary.now)),
        h("td", spark([counts[day] for day in days])),
    )


def _outcomes(summary: Summary, chart: Chart) -> Element:
    failures = sorted(summary.failures.values(), key=lambda kind: (-kind.week, -kind.total))
    heads = [
        head("Outcome"),
        head("Host"),
        number_head("Last 7 days"),
        number_head("All days shown"),
        head("Latest detail"),
    ]
    rows = [
        h(
            "tr",
            h("td", kind.outcome),
            h("td", kind.host or "–", class_="path"),
            number(f"{kind.week:,}"),
            number(f"{kind.total:,}"),
            h("td", kind.detail or "–"),
        )
        for kind in failures[:_FAILURES_SHOWN]
    ]
    title = "Where addresses could not be had"
    more = len(failures) - len(rows)
    return section(
        "outcomes",
        "Outcomes",
        chart_figure(chart),
        [h("h3", title), table(title, heads, rows)] if rows else None,
        detail(f"And {counted(more, 'more kind')}." if more else None),
    )


def _delays(over_time: Chart, ranges: Chart) -> Element:
    said = (
        "Of each new article’s first revision, with a date of publication; archives are left out. "
        "Days on which older articles were gathered stand out."
    )
    figures = h("div", chart_figure(over_time), chart_figure(ranges), class_="pair")
    return section("delays", "From publication to crawl", h("p", said), figures)


def _coverage(summary: Summary) -> Element:
    by_edition: dict[str, Counter[int]] = {}
    for (edition, has), count in summary.coverage.items():
        by_edition.setdefault(edition, Counter())[has] += count
    every = sum(by_edition.values(), Counter[int]())
    ranked = sorted(by_edition.items(), key=lambda item: (-item[1].total(), item[0]))
    heads = [head("Edition"), number_head("Articles")]
    heads += [number_head(_FIELD_LABELS.get(name, name)) for name in COVERED]
    rows = [
        h(
            "tr",
            head(name, "row"),
            number(f"{counts.total():,}"),
            [_share(counts, bit) for bit in range(len(COVERED))],
        )
        for name, counts in [("all", every)] * (len(ranked) > 1) + ranked
    ]
    title = "Share of articles that have a field, in %, by their newest revision"
    shares = [h("p", f"{title}."), table(title, heads, rows, class_="coverage")]
    return section("coverage", "What articles have", shares if rows else nothing())


def _share(counts: Counter[int], bit: int) -> Element:
    part, whole = sum(n for has, n in counts.items() if has >> bit & 1), counts.total()
    return h("td", percent(part, whole), class_=f"n heat-{10 * part // whole}")


def _newest(summary: Summary, *, with_images: bool) -> Element:
    items = [
        _article(record, summary.now, with_images=with_images) for record in summary.newest.top()
    ]
    newest = h("ol", items, class_="newest") if items else nothing()
    return section("newest", "Newest articles", newest)


def _article(record: Record, now: int, *, with_images: bool) -> Element:
    title: dict[str, str] = {"lang": record.language, "dir": "auto"}
    if record.url.startswith(("https://", "http://")):
        title |= {"href": record.url, "rel": "noopener noreferrer"}
    image = record.image if with_images and (record.image or "").startswith("https://") else None
    is_dated = record.published is not None
    when = record.crawled if record.published is None else record.published
    about: list[Child] = [
        h("b", record.edition),
        " · ",
        time(when, now),
        f" · {'published' if is_dated else 'crawled'} {ago(when, now)}",
        f" · revision {record.revision}" if record.revision > 1 else None,
    ]
    return h(
        "li",
        h("img", src=image, alt="", loading="lazy", width=96, height=54) if image else None,
        h(
            "div",
            h("a" if "href" in title else "span", record.headline, **title),
            h("span", about, class_="detail"),
        ),
    )
