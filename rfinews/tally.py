"""What monitors and metrics want to know of a crawl, gathered while it runs."""

from collections import Counter
from pathlib import Path
from typing import Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.http import Response

from rfinews import dates
from rfinews.crawl_log import CrawlLog
from rfinews.figures import FIELDS, Feed, Figures, carried_on, read_history
from rfinews.items import Article
from rfinews.known import KnownArticles
from rfinews.signals import crawl_ends

#: Settings of which any makes a crawl count.
WANTED_BY = ("RFINEWS_MONITORS", "RFINEWS_METRICS_FILE", "RFINEWS_METRICS_PUSH")
_BY_FEED = """
SELECT feed, outcome, count(*)
FROM (SELECT DISTINCT number, feed FROM named) JOIN addresses USING (number)
WHERE url != feed  -- it could not be had
GROUP BY feed, outcome
"""
#: Articles of an edition that the feeds of one crawl must tell of: fewer are stray links.
_EDITION = 5


class Tally:
    """Extension that is there if monitors or metrics are asked for."""

    def __init__(self, crawler: Crawler, directory: Path, crawls: int) -> None:
        self.crawler = crawler
        self.directory = directory
        self.crawls = crawls
        self.changes: Counter[tuple[str, str]] = Counter()  # articles by edition and change
        self.fields: Counter[str] = Counter()
        self.again: Counter[str] = Counter()  # known articles exported again, by their feed
        self.expected: set[str] = set()  # feeds of earlier crawls
        self.answered: set[str] = set()  # those that answered
        self.before: list[Figures] = []
        self.ended: Figures | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        if not any(settings[name] for name in WANTED_BY):
            raise NotConfigured
        tally = cls(
            crawler,
            Path(settings["RFINEWS_DATA_DIR"]).absolute() / "articles",
            settings.getint("RFINEWS_MONITOR_CRAWLS"),
        )
        connect = crawler.signals.connect
        connect(tally.spider_opened, signals.spider_opened)
        connect(tally.item_scraped, signals.item_scraped)
        connect(tally.response_received, signals.response_received)
        connect(tally.crawl_ends, crawl_ends)
        return tally

    @property
    def log(self) -> CrawlLog:
        log = self.crawler.get_extension(CrawlLog)
        assert log is not None
        return log

    def spider_opened(self) -> None:
        self.expected = {url for each in self._history() for url in each.feeds}

    def item_scraped(self, item: Any) -> None:
        if not isinstance(item, Article):
            return
        self.changes[item.edition, item.change] += 1
        if item.change != "new" and item.feed_url:
            self.again[item.feed_url] += 1
        if item.change == "retracted":
            return
        for name in FIELDS:
            if getattr(item, name):
                self.fields[name] += 1

    def response_received(self, response: Response) -> None:
        if self.expected and response.status < 300:
            request = response.request
            assert request is not None
            url = request.meta.get("redirect_urls", [request.url])[0]
            if url in self.expected:
                self.answered.add(url)

    def crawl_ends(self, reason: str, notes: dict[str, Any]) -> None:
        notes["figures"] = self.figures(reason).as_notes()

    def figures(self, reason: str) -> Figures:
        """What the crawl has come to that ends with `reason`; earlier ones are in `before` then."""
        if self.ended is not None and self.ended.reason == reason:
            return self.ended
        log = self.log
        self.before = self._history()
        started_at = None if log.mark is None else dates.to_seconds(log.mark.about["started_at"])
        now = dates.to_seconds(dates.now()) or 0
        stats = self.crawler.stats
        figures = Figures(
            crawl_id=log.crawl_id,
            spider=self.crawler.spidercls.name,
            arguments=log.arguments,
            started_at=started_at or now,
            finished_at=now,
            reason=reason,
            outcomes=log.ledger.counts,
            pages=self._stats("rfinews/page/"),
            bodies=self._stats("rfinews/selector/body:"),
            articles=sum(
                count for (_, change), count in self.changes.items() if change != "retracted"
            ),
            fields=dict(self.fields),
            feeds=self._feeds(log),
            newest=self._newest(),
            not_modified=stats.get_value("downloader/response_status_count/304", 0),
        )
        self.ended = carried_on(figures, self.before)
        return self.ended

    def _history(self) -> list[Figures]:
        log = self.log
        name = self.crawler.spidercls.name
        return read_history(self.directory, name, log.arguments, self.crawls)

    def _stats(self, prefix: str) -> dict[str, int]:
        stats = self.crawler.stats.get_stats().items()
        return {
            name.removeprefix(prefix): count for name, count in stats if name.startswith(prefix)
        }

    def _feeds(self, log: CrawlLog) -> dict[str, Feed]:
        feeds = {url: Feed(0, 0, 0) for url in self.answered}
        for url, outcome, count in log.ledger.db.execute(_BY_FEED):
            before = feeds.get(url, Feed(0, 0, 0))
            is_met = outcome in ("exported", "unchanged")
            feeds[url] = Feed(
                before.entries + count,
                before.articles + count * is_met,
                before.known + count * (outcome == "unchanged"),
            )
        for url, number in self.again.items():
            if url in feeds:
                feeds[url] = feeds[url]._replace(known=feeds[url].known + number)
        return feeds

    def _newest(self) -> dict[str, int]:
        known = self.crawler.get_extension(KnownArticles)
        assert known is not None
        return {
            edition: newest
            for edition, (number, newest) in known.told.items()
            if number >= _EDITION
        }
