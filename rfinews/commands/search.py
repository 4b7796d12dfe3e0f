"""``scrapy search``: find loaded articles. Exit status: 0 found, 1 none or not to be had, 2 wrong usage."""

import argparse
import io
import os
import sys

import orjson
from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from rfinews.load.base import Found, LoadError, Target
from rfinews.load.search import phrases
from rfinews.load.targets import find_target
from rfinews.verify import printable

LIMIT = 20
_MOST = 1_000_000


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] URL QUERY..."

    def short_desc(self) -> str:
        return "Find articles in a loaded database"

    def long_desc(self) -> str:
        return (
            "Find the articles that hold every part of QUERY between blanks, newest first, without "
            "regard to case and accents. URL is that of `scrapy load --to`. Exit status 0: some "
            "found, 1: none, or the database cannot be used, 2: wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--json", action="store_true", help="print a JSON object a line")
        parser.add_argument(
            "--limit", metavar="N", default=str(LIMIT), help=f"at most N articles (default {LIMIT})"
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            if len(args) < 2:
                raise UsageError("give the address of a database and what to look for")
            url, *parts = args
            if url.startswith("-"):
                raise UsageError(f"unknown option {url}")
            self.query = " ".join(parts)
            if not phrases(self.query):
                raise UsageError("there is no word to look for")
            if not opts.limit.isdecimal() or not 1 <= int(opts.limit) <= _MOST:
                raise UsageError(f"--limit takes a number from 1: {printable(opts.limit)}")
            self.limit = int(opts.limit)
            self.target: Target = find_target(url)
        except (UsageError, ValueError) as error:
            print(f"scrapy search: {error}", file=sys.stderr)
            sys.exit(2)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # for terminals without UTF-8
        self.exitcode = 1
        path = getattr(self.target, "path", None) or getattr(self.target, "directory", None)
        if path is not None and not path.exists():
            print(f"scrapy search: no database {printable(path)}", file=sys.stderr)
            return
        try:
            with self.target as target:
                found = target.search(self.query, self.limit)
            for article in found:
                print(orjson.dumps(article._asdict()).decode() if opts.json else line(article))
            sys.stdout.flush()
        except LoadError as error:
            print(f"scrapy search: {error}", file=sys.stderr)
        except BrokenPipeError:  # whoever reads has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            print("scrapy search: interrupted", file=sys.stderr)
        else:
            self.exitcode = 0 if found else 1


def line(found: Found) -> str:
    r"""Return what people read of an article.

    >>> line(Found("f0", None, "cn", "台湾\x1b", "https://www.rfi.fr/cn/a"))
    '-           cn  台湾?  https://www.rfi.fr/cn/a'
    """
    headline = printable(found.headline or "(retracted)")
    return f"{found.date or '-':<10}  {found.edition}  {headline}  {found.canonical_url}"
