"""``scrapy crawl``: Scrapy's own, with exit status and one-line errors of CONTRACT section 1."""

import argparse
import logging
import sys
from asyncio import ensure_future
from contextlib import suppress
from pathlib import Path

from scrapy.commands import crawl
from scrapy.exceptions import UsageError
from scrapy.spiderloader import get_spider_loader

from rfinews.addon import check_settings
from rfinews.arguments import read_arguments
from rfinews.manifest import DONE
from rfinews.output import NotStored
from rfinews.watching import FAILED

# What they warn of ends in the outcome of an address, which CrawlLog logs in a line.
_TOLD_BY_OUTCOMES = (
    "scrapy.core.downloader.handlers.http11",
    "scrapy.downloadermiddlewares.httpcompression",
    "scrapy.downloadermiddlewares.retry",
)


class Command(crawl.Command):
    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        """Check all that the user gave, before anything is started. Exit status 2: wrong usage."""
        try:
            super().process_options(args, opts)
            self.check(args, opts.spargs)
        except (UsageError, ValueError) as error:
            self.refuse(str(error))
            sys.exit(2)

    def refuse(self, mistake: str) -> None:
        """Tell the user in a line, also in the log file: it is all that is seen of a job in Scrapyd."""
        line = f"scrapy crawl: {mistake}"
        print(line, file=sys.stderr)
        assert self.settings is not None
        if log := self.settings["LOG_FILE"]:
            with suppress(OSError), Path(log).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

    def check(self, args: list[str], arguments: dict[str, str]) -> None:
        """Raise `UsageError` or `ValueError`, one line for the user."""
        assert self.settings is not None
        if len(args) != 1:
            raise UsageError("give the name of one spider")
        spiders = get_spider_loader(self.settings)
        if args[0] not in spiders.list():
            known = ", ".join(sorted(spiders.list()))
            raise UsageError(f"no spider {args[0]!r}; there are: {known}")
        read_arguments(getattr(spiders.load(args[0]), "arguments", {}), arguments)
        check_settings(self.settings)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run one spider. Exit status: 0 done, 1 not done, 2 a setting of Scrapy's is malformed."""
        assert self.crawler_process is not None
        for name in _TOLD_BY_OUTCOMES:
            logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger("scrapy.extensions.feedexport").addFilter(without_traceback)
        crawler = self._create_crawler(args[0])
        crawling = ensure_future(self.crawler_process.crawl(crawler, **opts.spargs))
        self.crawler_process.start()
        if isinstance(error := crawling.exception(), ValueError):
            self.refuse(f"cannot start: {error}")
            self.exitcode = 2
        elif error is not None:
            raise error
        else:
            stats = crawler.stats
            is_done = stats.get_value("rfinews/finish_reason") in DONE
            self.exitcode = 0 if is_done and not stats.get_value(FAILED) else 1


def without_traceback(record: logging.LogRecord) -> bool:
    """Log a full disk or a refused file in a line: it is the user's to mend, not the programmer's."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, OSError):
        record.msg = f"{record.getMessage()}: {error.strerror or error}"
        record.args = record.exc_info = None
    return not isinstance(error, NotStored)
