"""Parts that the report is put together from: sections, tables, charts, signs and small drawings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from rfinews.report.charts import Chart
from rfinews.report.html import Child, h
from rfinews.report.judgement import span
from rfinews.report.summary import DAY

# Beside the word for a state, for those who see no colours; and the class for its colour.
_STATES = {
    "ok": ("✓", "good"),
    "running": ("▸", "busy"),
    "overdue": ("◷", "bad"),
    "failed": ("✕", "bad"),
    "died": ("✕", "bad"),
    "unreadable": ("?", "attention"),
    "stopped": ("–", "none"),
}
_PLAIN_YEAR = 300 * DAY


def section(id_: str, title: str, *children: Child) -> Element:
    heading = h("h2", title, id=f"{id_}-title")
    return h("section", heading, *children, id=id_, aria_labelledby=f"{id_}-title")


def table(
    label: str,
    heads: Sequence[Element],
    rows: Sequence[Element],
    *,
    class_: str | None = None,
    is_tall: bool = False,
    is_stacked: bool = False,
) -> Element:
    """A table in a region of its own, which a narrow screen scrolls, also by the keyboard.

    `is_tall`: it may have more rows than one wants to scroll past. `is_stacked`: on a narrow screen
    its cells stand below each other, each with its heading; it is no table for the browser then, so
    roles say what is what.
    """
    element = h(
        "table",
        h("thead", h("tr", heads)),
        h("tbody", rows),
        class_=f"{class_ or ''}{' stacked' * is_stacked}".strip() or None,
    )
    if is_stacked:
        for row in rows:
            for name, cell in zip(heads, row, strict=True):
                cell.set("data-label", name.text or "")
                if cell.text == "–":
                    cell.set("class", f"{cell.get('class', '')} blank".lstrip())
        roles = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row"}
        for each in element.iter():
            if each.tag in roles:
                each.set("role", roles[each.tag])
            elif each.tag in ("th", "td"):
                is_head = f"{'column' if each.get('scope') == 'col' else 'row'}header"
                each.set("role", is_head if each.tag == "th" else "cell")
    return h(
        "div",
        element,
        class_=f"scrolled{' tall' * is_tall}",
        role="region",
        aria_label=label,
        tabindex=0,
    )


def head(text: str, scope: str = "col") -> Element:
    return h("th", text, scope=scope)


def number_head(text: str) -> Element:
    return h("th", text, scope="col", class_="n")


def number(text: str) -> Element:
    return h("td", text, class_="n")


def detail(text: str | None, tone: str = "") -> Element | None:
    """A smaller line below what it explains."""
    return h("span", text, class_=f"detail {tone}".rstrip()) if text else None


def chart_figure(chart: Chart) -> Element:
    """A chart for the script to draw, and its numbers as a table."""
    if chart.is_empty:
        return h("figure", h("figcaption", chart.caption), nothing())
    rows = [
        h(
            "tr",
            head(name, "row"),
            [number(chart.text(series.values[at])) for series in chart.series],
        )
        for at, name in enumerate(chart.names)
    ]
    if chart.kind != "bars":
        rows.reverse()  # the newest first
    heads = [head(chart.first_column), *(number_head(series.name) for series in chart.series)]
    return h(
        "figure",
        h("figcaption", chart.caption),
        h("div", class_="legend", id=f"{chart.id}-legend"),
        h("div", class_="canvas", id=f"{chart.id}-chart"),
        h("p", class_="spoken", role="status", id=f"{chart.id}-spoken"),
        h(
            "details",
            h("summary", "The numbers"),
            table(f"{chart.caption}: the numbers", heads, rows, is_tall=True),
        ),
    )


def badge(state: str) -> Element:
    sign, tone = _STATES[state]
    return h(
        "span", h("span", sign, class_="sign", aria_hidden="true"), state, class_=f"badge {tone}"
    )


def strip(states: Sequence[str]) -> Element:
    """Draw how the last crawls ended, the newest first in `states`: low where well, high where not."""
    bars = []
    for at, state in enumerate(reversed(states)):
        _, tone = _STATES[state]
        height = 18 if tone in ("bad", "attention") else 10
        bars.append(h("rect", x=4 * at, y=18 - height, width=3, height=height, class_=tone))
    return _drawing(bars, 4 * len(states), 18, class_="strip", aria_hidden="true")


def spark(values: Sequence[int]) -> Element:
    """Draw the articles of the last days."""
    highest = max([*values, 1])
    heights = [max(round(20 * value / highest), int(value > 0)) for value in values]
    bars = [
        h("rect", x=5 * at, y=20 - height, width=4, height=height)
        for at, height in enumerate(heights)
        if height
    ]
    width = 5 * len(values)
    base = h("rect", x=0, y=20, width=width, height=1, class_="base")
    title = h("title", f"{values[-1]:,} today, {highest:,} at most")
    return _drawing([title, *bars, base], width, 21, class_="spark", role="img")


def _drawing(shapes: Child, width: int, height: int, **attributes: str) -> Element:
    box = f"0 0 {width} {height}"
    return h("svg", shapes, viewBox=box, width=width, height=height, **attributes)


def spider_name(spider: str, arguments: str | None) -> list[Child]:
    return [h("b", spider), f" {arguments}" if arguments else None]


def time(seconds: int, now: int) -> Element:
    """A time, with its year where that is not plain."""
    date = datetime.fromtimestamp(seconds, UTC)
    year = f" {date.year}" if abs(now - seconds) > _PLAIN_YEAR else ""
    return h("time", f"{date:%-d %b}{year}, {date:%H:%M}", datetime=f"{date:%Y-%m-%dT%H:%M:%SZ}")


def ago(seconds: int, now: int) -> str:
    return f"{span(max(now - seconds, 0))} ago"


def nothing() -> Element:
    return h("p", "Nothing to show yet.", class_="nothing")


def counted(number: int, word: str) -> str:
    """Return number and word as people write them.

    >>> counted(1, "line"), counted(1234, "file")
    ('1 line', '1,234 files')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def size(count: int) -> str:
    """Write a number of bytes.

    >>> size(999), size(123_456), size(12_345_678)
    ('999 B', '123 kB', '12.3 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"


def percent(part: int, whole: int) -> str:
    """Write a share so that only all are 100 % and only none 0 %.

    >>> percent(0, 9), percent(1, 900), percent(899, 900), percent(9, 9), percent(1, 3)
    ('0', '<1', '99', '100', '33')
    """
    if 0 < part < whole:
        return str(min(round(100 * part / whole), 99)) if 200 * part >= whole else "<1"
    return "100" if part else "0"
