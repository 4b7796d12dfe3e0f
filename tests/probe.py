"""A crawl with the project's settings that asks for a list of addresses and tells what came of each.

Run as a process of its own, as every crawl is: `probe` for tests, the rest happens in there. Item
pipelines and the crawl log stay out of it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from scrapy.utils.project import get_project_settings
from twisted.python.failure import Failure

from rfinews.middlewares import failure_outcome

PROJECT = Path(__file__).resolve().parent.parent

# Hardly a delay, so that tests are about order and number, and nothing of other floors. Hardly, not
# none: without one Scrapy 2.19 sends all that waits in a slot at once, whatever its concurrency.
SETTINGS = {
    "ADDONS": {"rfinews.addon.RfinewsAddon": 0},
    "AUTOTHROTTLE_ENABLED": False,
    "DOWNLOAD_DELAY": 0.001,
    "EXTENSIONS": {},
    "FEEDS": {},
    "ITEM_PIPELINES": {},
    "RFINEWS_RETRY_BACKOFF": 0,
    "SPIDER_MODULES": [],
}


@dataclass(frozen=True)
class Result:
    """What a probe saw."""

    answers: list[dict[str, Any]]
    """In order: ``asked`` (the address in the list), and for a response ``url``, ``status``,
    ``size``, ``slot`` (its download slot), for a failure ``outcome``, ``detail``, ``error``."""
    stats: dict[str, Any]
    seen: dict[str, Any]
    """What the spider saw of the process while it ran."""
    log: str

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Address and outcome, ``fetched`` for a response, in the order of the list."""
        return sorted(
            (answer["asked"], answer.get("outcome", "fetched")) for answer in self.answers
        )


def probe(
    requests: Sequence[str | Mapping[str, Any]],
    *,
    mirror: str | None = None,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    allowed_domains: Sequence[str] = (),
    interrupt_after: int | None = None,
    timeout: float = 60,
) -> Result:
    """Crawl these addresses, or keyword arguments of `Request`, and wait for the end.

    ``then`` in a request is a list of requests made by its callback; `interrupt_after` so many
    answers the spider sends its process what Ctrl-C does.
    """
    own = {"RFINEWS_MIRROR": mirror} if mirror else {}
    task = {
        "requests": requests,
        "settings": {**SETTINGS, **own, **(settings or {})},
        "allowed_domains": allowed_domains,
        "interrupt_after": interrupt_after,
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SCRAPY", "RFINEWS")) and not name.lower().endswith("_proxy")
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.probe"],
        cwd=PROJECT,
        env={**inherited, **(environment or {})},
        input=json.dumps(task),
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"the probe failed\n{done.stderr}")
    return Result(**json.loads(done.stdout), log=done.stderr)


class ProbeSpider(Spider):
    """Asks for what it is told to."""

    name = "probe"

    def __init__(self, task: dict[str, Any]) -> None:
        super().__init__()
        self.allowed_domains = task["allowed_domains"]
        self.task = task
        self.answers: list[dict[str, Any]] = []
        self.seen: dict[str, Any] = {}

    def request(self, entry: str | dict[str, Any]) -> Request:
        """A request for an entry of the list."""
        arguments = {"url": entry} if isinstance(entry, str) else dict(entry)
        then = arguments.pop("then", [])
        return Request(
            **arguments,
            callback=self.answered,
            errback=self.failed,
            cb_kwargs={"asked": arguments["url"], "then": then},
        )

    async def start(self) -> AsyncIterator[Request]:
        self.seen["sockets"] = listening_sockets()
        for entry in self.task["requests"]:
            yield self.request(entry)

    def answered(self, response: Response, asked: str, then: list[Any]) -> Iterator[Request]:
        self.note(
            asked=asked,
            url=response.url,
            status=response.status,
            size=len(response.body),
            slot=response.meta["download_slot"],
            latency="download_latency" in response.meta,
            redirects=response.meta.get("redirect_urls", []),
        )
        for entry in then:
            yield self.request(entry)

    def failed(self, failure: Failure) -> None:
        outcome, detail = failure_outcome(failure)
        asked = failure.request.cb_kwargs["asked"]
        self.note(asked=asked, outcome=outcome, detail=detail, error=type(failure.value).__name__)

    def note(self, **answer: Any) -> None:
        """Keep an answer."""
        self.answers.append(answer)
        if len(self.answers) == self.task["interrupt_after"]:
            self.seen["sockets"] = listening_sockets()
            os.kill(os.getpid(), signal.SIGINT)


def listening_sockets() -> int:
    """TCP sockets of this process that accept connections."""
    import psutil

    connections = psutil.Process().net_connections("tcp")
    return sum(connection.status == psutil.CONN_LISTEN for connection in connections)


def main() -> None:
    task = json.load(sys.stdin)
    settings = get_project_settings()
    settings.setdict(task["settings"], "cmdline")
    process = AsyncCrawlerProcess(settings)
    crawler = process.create_crawler(ProbeSpider)
    process.crawl(crawler, task=task)
    process.start()
    spider = crawler.spider
    stats = {name: str(value) for name, value in crawler.stats.get_stats().items()}
    json.dump({"answers": spider.answers, "stats": stats, "seen": spider.seen}, sys.stdout)


if __name__ == "__main__":
    main()
