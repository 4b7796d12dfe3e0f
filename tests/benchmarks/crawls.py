"""(b) the archive and (c) the whole job: crawls with the real command, each in its own process.

(c) compares rfinews (download, extract, merge with the feed's entry, clean, validate, dedupe, JSON
Lines, outcomes, manifest) with a stock spider that asks for the same pages and throws them away.

- Both keep to robots.txt (one file of the same length), ask eight requests at a time of the host,
  which is Scrapy's default, and get their pages, uncompressed, from one server in another process.
- rfinews has its own settings, with nothing but politeness off: no delay, no AutoThrottle, eight
  instead of one request at a time. It reaches the server as a mirror, which is part of its cost.
- Stock Scrapy has its defaults. It is measured twice: as it comes, with a log line of level DEBUG
  for each page, and with the log level of rfinews. The second is the one to beat.

Pages a second are counted twice, too: in Scrapy's own time of the crawl, and in that of the whole
process with start-up and end.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from scrapy.settings import default_settings

from fixtures.server import spawn
from rfinews import settings
from tests.benchmarks import corpus
from tests.benchmarks.measure import PROJECT, Cost, clean_environment, measured, ratio, table

IMPOLITE = {"DOWNLOAD_DELAY": 0, "AUTOTHROTTLE_ENABLED": 0, "CONCURRENT_REQUESTS_PER_DOMAIN": 8}
STOCK = {"ROBOTSTXT_OBEY": 1}
SPIDER = Path(__file__).with_name("discard_spider.py")
# What settings.py has for speed, as Scrapy has it.
LEVERS: dict[str, object] = {
    "CONCURRENT_ITEMS": 100,
    "ASYNCIO_EVENT_LOOP": "",
    "METAREFRESH_ENABLED": 1,
    "COOKIES_ENABLED": 1,
    "REFERER_ENABLED": 1,
    "WARN_ON_GENERATOR_RETURN_VALUE": 1,
    "LOG_LEVEL": "DEBUG",
    "EXTENSIONS_BASE": json.dumps(default_settings.EXTENSIONS_BASE),
    "FEED_EXPORTERS": json.dumps(
        dict.fromkeys(("jsonl", "jsonlines"), "scrapy.exporters.JsonLinesItemExporter")
    ),
}
AIOHTTP = "scrapy.core.downloader.handlers._aiohttp.AiohttpDownloadHandler"

# Of these the stock spider gives the better measure: arguments and settings with the lever.
STOCK_LEVERS: dict[str, tuple[list[str], dict[str, object]]] = {
    "stock, LOG_LEVEL=INFO": ([], {}),
    "requests from a callback instead of start()": (["-a", "first={url}/robots.txt"], {}),
    "aiohttp download handler (experimental, not used)": (
        [],
        {"DOWNLOAD_HANDLERS": json.dumps({"http": AIOHTTP})},
    ),
}


def scrapy(*arguments: object, options: Mapping[str, object]) -> list[object]:
    given = [part for name, value in options.items() for part in ("-s", f"{name}={value}")]
    return [sys.executable, "-m", "scrapy", *arguments, *given]


class Archive:
    """(b) ``scrapy crawl archive`` over all documents; one document alone shows the start-up."""

    def __init__(self, samples: Path, folder: Path) -> None:
        self.folder = folder
        self.documents = folder / "documents"
        self.documents.mkdir()
        number = 0
        for number, (_, text) in enumerate(corpus.sample_documents(samples), start=1):
            (self.documents / f"{number}.md").write_text(text, encoding="utf-8")
        self.number = number
        self.costs: list[Cost] = []
        self.starts: list[Cost] = []

    def run(self) -> None:
        self.costs.append(self._crawl(self.documents))
        self.starts.append(self._crawl(self.documents / "1.md"))

    def _crawl(self, path: Path) -> Cost:
        data = self.folder / "archive-data"
        cost = measured(
            scrapy("crawl", "archive", "-a", f"path={path}", options={}),
            PROJECT,
            clean_environment(RFINEWS_DATA_DIR=str(data)),
        )
        shutil.rmtree(data)
        return cost

    def report(self) -> str:
        walls, cpus = ([getattr(cost, name) for cost in self.costs] for name in ("wall", "cpu"))
        crawls = [cost.stat("elapsed_time_seconds") for cost in self.costs]
        nets = [cost.cpu - start.cpu for cost, start in zip(self.costs, self.starts, strict=True)]
        rows = [
            (name, f"{self.number / median(seconds):,.0f}", f"{median(seconds):.2f}")
            for name, seconds in (
                ("CPU time of the process (goal 400)", cpus),
                ("CPU time without start-up", nets),
                ("wall time of the process", walls),
                ("wall time of the crawl", crawls),
            )
        ]
        peak = median(cost.peak_mb for cost in self.costs)
        head = (f"scrapy crawl archive, {self.number:,} documents", "documents/s", "seconds")
        return f"{table(head, rows)}\n\nPeak memory {peak:.0f} MB."


class Job:
    """(c) the whole job beside stock Scrapy."""

    OURS, THEIRS, AS_IT_COMES = "rfinews, the whole job", "stock, LOG_LEVEL=INFO", "stock"

    def __init__(self, folder: Path, pages: int) -> None:
        self.folder = folder
        self.pages = pages
        self.addresses = corpus.write_site(folder / "site", pages)
        self.costs: dict[str, list[Cost]] = {}

    @contextmanager
    def server(self) -> Iterator[None]:
        """Keep the server running: what is below needs it. One crawl warms it up."""
        root = str(self.folder / "site")
        with spawn("--root", root, "--preload", "--no-gzip") as self.url:
            listed = self.folder / "mirrored.txt"
            original = self.addresses.read_text(encoding="utf-8")
            listed.write_text(original.replace("https://", f"{self.url}/"), encoding="utf-8")
            self.mirrored = listed
            self.stock()
            yield

    def run(self) -> None:
        """One round, of which the first is another each time."""
        crawls = {
            self.OURS: self.whole_job,
            self.THEIRS: lambda: self.stock({"LOG_LEVEL": "INFO"}),
            self.AS_IT_COMES: self.stock,
        }
        names = list(crawls)
        first = len(self.costs.get(self.OURS, ())) % len(names)
        for name in names[first:] + names[:first]:
            self.costs.setdefault(name, []).append(crawls[name]())

    def whole_job(self, options: Mapping[str, object] | None = None) -> Cost:
        data = self.folder / "data"
        cost = measured(
            scrapy(
                "crawl",
                "feedx",
                "-a",
                "follow=1",
                options={"RFINEWS_MIRROR": self.url, **IMPOLITE, **(options or {})},
            ),
            PROJECT,
            clean_environment(RFINEWS_DATA_DIR=str(data)),
        )
        shutil.rmtree(data)
        if cost.stat("rfinews/outcome/exported") != self.pages:
            raise RuntimeError(f"not every page was exported:\n{cost.log[-2000:]}")
        return cost

    def stock(self, options: Mapping[str, object] | None = None, *arguments: object) -> Cost:
        cost = measured(
            scrapy(
                "runspider",
                SPIDER,
                "-a",
                f"urls={self.mirrored}",
                *arguments,
                options={**STOCK, **(options or {})},
            ),
            self.folder,  # not in the project: its settings must not apply
            clean_environment(),
        )
        if cost.stat("downloader/response_status_count/200") < self.pages:
            raise RuntimeError(f"not every page was downloaded:\n{cost.log[-2000:]}")
        return cost

    def report(self) -> str:
        ours = self.costs[self.OURS]
        rows = []
        for name, costs in self.costs.items():
            speed = ratio(map(_crawl_time, costs), map(_crawl_time, ours))
            whole = ratio((c.wall for c in costs), (c.wall for c in ours))
            memory = ratio((c.peak_mb for c in ours), (c.peak_mb for c in costs))
            rows.append(
                (
                    name,
                    f"{self.pages / median(map(_crawl_time, costs)):,.0f}",
                    f"{self.pages / median(c.wall for c in costs):,.0f}",
                    f"{1000 * median(c.cpu for c in costs) / self.pages:.2f}",
                    f"{median(c.peak_mb for c in costs):.0f}",
                    *(
                        ("", "", "")
                        if costs is ours
                        else (f"{speed:.2f}", f"{whole:.2f}", f"{memory:.2f}")
                    ),
                )
            )
        head = (
            f"{self.pages:,} pages of {corpus.PAGE_BYTES / 1000:.0f} kB",
            "pages/s",
            "with start-up",
            "ms CPU a page",
            "peak MB",
            "rfinews' speed",
            "with start-up",
            "rfinews' memory",
        )
        return (
            f"{table(head, rows)}\n\nThe last three columns are rfinews' figure as a multiple of this "
            "line's. Goals: speed at least 0.95, memory at most 1.3."
        )

    # ------------------------------------------------------------------------------------ levers

    def run_levers(self) -> None:
        """One round: the whole job, once for each lever without it; before and after with all."""
        before = self.whole_job()
        for name, undone in LEVERS.items():
            if hasattr(settings, name):
                self.costs.setdefault(name, []).append(self.whole_job({name: undone}))
        self.costs.setdefault("", []).extend((before, self.whole_job()))
        for name, (arguments, options) in STOCK_LEVERS.items():
            filled = [part.format(url=self.url) for part in arguments]
            cost = self.stock({"LOG_LEVEL": "INFO", **options}, *filled)
            self.costs.setdefault(name, []).append(cost)

    def report_levers(self) -> str:
        """Tell by how much CPU time and memory would grow without each."""
        ours = self.costs.pop("")
        stock = self.costs.pop(self.THEIRS)
        rows = []
        for name, costs in self.costs.items():
            mine, other = (ours, costs) if name in LEVERS else (costs, stock)
            rows.append((name if name in LEVERS else f"{name} *", *_growth(mine, other)))
        head = ("without", "CPU time", "peak memory")
        note = "\\* measured with the stock spider, LOG_LEVEL=INFO."
        base = (
            f"{1000 * min(cost.cpu for cost in ours) / self.pages:.2f} ms a page with all of them."
        )
        return f"{table(head, rows)}\n\n{self.pages:,} pages, {base} {note}"


def _growth(mine: list[Cost], other: list[Cost]) -> tuple[str, str]:
    cpu = median(cost.cpu for cost in other) / median(cost.cpu for cost in mine) - 1
    memory = median(cost.peak_mb for cost in other) - median(cost.peak_mb for cost in mine)
    return f"{100 * cpu:+.0f} %", f"{memory:+.0f} MB"


def _crawl_time(cost: Cost) -> float:
    return cost.stat("elapsed_time_seconds")
