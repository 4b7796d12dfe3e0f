"""``scrapy load``: JSON Lines into a database. Exit status: 0 all loaded, 1 not all, 2 wrong usage."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from tqdm import tqdm

from rfinews.commands.verify import counted
from rfinews.load.base import FATES, LoadError, Target
from rfinews.load.inputs import STDIN, Inputs, read_manifest
from rfinews.load.records import Fault, Record, Source, Unreadable
from rfinews.load.targets import find_target
from rfinews.verify import printable

#: Refused lines of a file that are told; the others are counted.
_TOLD = 20
_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt}B [{elapsed}<{remaining}]{postfix}"


class Watched(Source):
    """A file that tells how much of it has been read."""

    def __init__(self, name: str, bar: "tqdm[Any]") -> None:
        super().__init__(name, self.tell)
        self.bar = bar
        self.faults = 0
        self.before = 0

    def tell(self, fault: Fault) -> None:
        self.faults += 1
        if self.faults <= _TOLD:
            name = "standard input" if self.name == STDIN else self.name
            complain(f"{printable(name)}:{fault.line}: {fault.field}: {printable(fault.reason)}")

    def lines(self) -> Iterator[tuple[bytes, Record]]:
        for number, pair in enumerate(super().lines()):
            if number % 500 == 0:
                self.advance(self.read)
            yield pair
        self.advance(self.size)

    def advance(self, read: int) -> None:
        self.bar.update(read - self.before)
        self.before = read


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "FILE... --to URL"

    def short_desc(self) -> str:
        return "Load records into SQLite, DuckDB, PostgreSQL or Parquet files"

    def long_desc(self) -> str:
        return (
            "Load JSON Lines files (.gz too, - for standard input), manifests or data directories. "
            "Loading again changes nothing. Lines that cannot be stored are told and kept in "
            "<file>.rejected.jsonl. Exit status 0: all loaded, 1: not all, 2: wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--to",
            metavar="URL",
            help="sqlite:///FILE, duckdb:///FILE, postgresql://USER@HOST/DATABASE or"
            " parquet:DIRECTORY",
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            for arg in args:
                if arg.startswith("-") and arg != STDIN:
                    raise UsageError(f"unknown option {arg}")
            if not all(args) or not args:
                raise UsageError("give JSON Lines files, manifests or data directories")
            if not opts.to:
                raise UsageError("--to URL says where they are loaded")
            self.target = find_target(opts.to)
        except (UsageError, ValueError) as error:
            complain(error)
            sys.exit(2)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        self.exitcode = 1
        self.counts: Counter[str] = Counter()
        self.is_whole = True
        try:
            inputs = Inputs(args)
            for note in inputs.notes:
                complain(printable(note))
            with self.target as target:
                for name in inputs.articles:
                    self.load(target, name)
                for path in inputs.manifests:
                    self.load_manifest(target, path)
        except LoadError as error:
            complain(error)
        except (OSError, ValueError) as error:
            complain(told(error))
        except KeyboardInterrupt:
            complain("interrupted; the file that it was at is not loaded")
        else:
            self.exitcode = 0 if self.is_whole else 1
        print(self.summary())

    def load(self, target: Target, name: str) -> None:
        """Load a file; one that cannot be read is told, and the others go on. Raises `LoadError`."""
        try:
            with tqdm(
                desc=name[-40:],
                bar_format=_BAR,
                unit_scale=True,
                leave=False,
                dynamic_ncols=True,
                disable=not sys.stderr.isatty(),
            ) as bar:
                source = Watched(name, bar)
                bar.total = source.size
                counts = target.load(source)
        except Unreadable as error:
            self.failed(name, error)
        except OSError as error:
            self.failed(name, error)
        else:
            self.counts += counts
            self.counts["file"] += 1
            self.counts["rejected"] += source.rejected
            if source.rejected:
                self.is_whole = False
                lines = counted(source.rejected, "line")
                complain(
                    f"{printable(name)}: {lines} rejected, kept in {printable(source.rejected_path)}"
                )

    def load_manifest(self, target: Target, path: Any) -> None:
        try:
            manifest = read_manifest(path)
        except (OSError, ValueError) as error:
            self.failed(str(path), error)
        else:
            self.counts["crawl"] += target.load_crawl(manifest)

    def failed(self, name: str, error: Exception) -> None:
        self.is_whole = False
        complain(f"{printable(name)}: {told(error)}")

    def summary(self) -> str:
        parts = [f"{self.counts[fate]:,} {fate}" for fate in (*FATES, "rejected")]
        files, crawls = self.counts["file"], self.counts["crawl"]
        return f"{counted(files, 'file')}: {', '.join(parts)}; {counted(crawls, 'new crawl')}"


def told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return printable(f"{name}{error.strerror}")
    return printable(error)


def complain(text: object) -> None:
    tqdm.write(f"scrapy load: {text}", file=sys.stderr)
