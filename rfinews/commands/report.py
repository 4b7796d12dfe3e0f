"""``scrapy report``: what crawls left, as one page. Exit status: 0 written, 1 not, 2 wrong usage."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from tqdm import tqdm

from rfinews.files import PartFile
from rfinews.report.page import render
from rfinews.report.reading import find_crawls
from rfinews.report.summary import DAY, Summary
from rfinews.verify import printable


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] [PATH...]"

    def short_desc(self) -> str:
        return "Write a page that tells whether all is well"

    def long_desc(self) -> str:
        return (
            "Write one HTML page, complete in itself, on the crawls in data directories (default: "
            "RFINEWS_DATA_DIR): how the last ones ended, articles, outcomes, delays, what articles "
            "have, the newest. Exit status 0: written, 1: not written, 2: wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            *("-o", "--output"),
            metavar="FILE",
            default="report.html",
            help="the page; - for standard output (default: report.html)",
        )
        parser.add_argument(
            "--days", metavar="N", help="the last N days, today among them (default: all)"
        )
        parser.add_argument(
            "--images",
            action="store_true",
            help="pictures of the newest articles, which the page loads from the network",
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            self.paths = self.check(args)
            self.days = read_days(opts.days)
            if not opts.output:
                raise UsageError("-o takes the name of a file, or - for standard output")
        except UsageError as error:
            print(f"scrapy report: {error}", file=sys.stderr)
            sys.exit(2)

    def check(self, args: list[str]) -> list[Path]:
        """Raise `UsageError`, one line for the user."""
        assert self.settings is not None
        for arg in args:
            if arg.startswith("-"):
                raise UsageError(f"unknown option {arg}")
            if not Path(arg).is_dir():
                raise UsageError(f"no such directory: {printable(arg)}")
        return [Path(arg) for arg in args or [self.settings["RFINEWS_DATA_DIR"]]]

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        self.exitcode = 1
        try:
            page = self.page(with_images=opts.images)
            if opts.output == "-":
                sys.stdout.buffer.write(page)
                sys.stdout.buffer.flush()
            else:
                write(Path(opts.output), page)
        except BrokenPipeError:  # whoever reads has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except BlockingIOError:
            print(f"scrapy report: another one is writing {opts.output}", file=sys.stderr)
        except OSError as error:
            name = f"{printable(error.filename)}: " if error.filename else ""
            print(f"scrapy report: {name}{error.strerror or error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("scrapy report: interrupted", file=sys.stderr)
        else:
            self.exitcode = 0

    def page(self, *, with_images: bool) -> bytes:
        """Read everything and write the page. Raises `OSError`."""
        now = int(time.time())
        first_day = None if self.days is None else now // DAY - self.days + 1
        summary = Summary(now, first_day)
        found = find_crawls(self.existing(), summary.faults)
        is_terminal = sys.stderr.isatty()
        with tqdm(
            found, unit=" crawls", leave=False, dynamic_ncols=True, disable=not is_terminal
        ) as crawls:
            summary.read(crawls)
        return render(summary, sources=[str(path) for path in self.paths], with_images=with_images)

    def existing(self) -> Sequence[Path]:
        """The default directory is not there before the first crawl."""
        return [path for path in self.paths if path.exists()]


def read_days(text: str | None) -> int | None:
    """Read ``--days``. Raises `UsageError`."""
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 36_500:
        raise UsageError(f"--days takes a number from 1: {printable(text)}")
    return int(text)


def write(path: Path, page: bytes) -> None:
    """Write the page whole or not at all. Raises `OSError`."""
    if path.is_dir():
        raise IsADirectoryError(None, "Is a directory", str(path))
    file = PartFile(path)
    try:
        file.write(page)
        file.finish()
    except OSError:
        file.remove()
        raise
