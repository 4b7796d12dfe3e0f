"""``scrapy export-archive``: records back into Markdown. Exit status: 0 all, 1 not all, 2 wrong usage.

Scrapy calls a command by the name of its module, so this one has a hyphen: an entry point could name
it, too, but is there only where the project is installed, and it runs from its clone.
"""  # noqa: N999

import argparse
import fcntl
import gzip
import io
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Self

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from tqdm import tqdm

from rfinews.commands.verify import counted
from rfinews.files import OUTCOMES, read_articles_name
from rfinews.load.records import LONGEST, REJECTED, Unreadable, read_record
from rfinews.parsers.archive import write_document
from rfinews.parsers.archive_writer import document_of, document_path
from rfinews.verify import printable

_LINES = (".jsonl", ".jsonl.gz")
_STDIN = "-"


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "FILE_OR_DIRECTORY... --to DIRECTORY"

    def short_desc(self) -> str:
        return "Write records as a Markdown archive"

    def long_desc(self) -> str:
        return (
            "Write JSON Lines (.jsonl, .jsonl.gz, a data directory, its articles/, - for standard "
            "input) as a Markdown archive: one document a revision, which 'scrapy crawl archive' "
            "reads to the same record. Exit status 0: all of them, 1: not all, 2: wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--to", metavar="DIRECTORY", help="the archive, made if it is missing")

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            if not opts.to:
                raise UsageError("say where to write: --to DIRECTORY")
            if os.path.lexists(opts.to) and not Path(opts.to).is_dir():
                raise UsageError(f"no directory: {opts.to}")
            self.sources = list(sources(args))
        except (UsageError, OSError) as error:
            complain(error)
            sys.exit(2)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        self.exitcode = 1
        counts: Counter[str] = Counter()
        try:
            with Archive(Path(opts.to)) as archive:
                export(self.sources, archive, counts)
        except OSError as error:
            complain(f"cannot write {error.filename or opts.to}: {error.strerror}")
        except KeyboardInterrupt:
            complain("interrupted")
        else:
            self.exitcode = 1 if counts["refused"] or counts["unreadable"] else 0
        try:
            print(
                f"{counted(counts['written'], 'document')} written, {counts['replaced']:,} replaced, "
                f"{counts['unchanged']:,} unchanged; {counted(counts['refused'], 'line')} refused",
                flush=True,
            )
        except BrokenPipeError:  # nobody reads it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(reason: object) -> None:
    tqdm.write(f"scrapy export-archive: {printable(reason)}", file=sys.stderr)


# --------------------------------------------------------------------------------------------- in


def sources(names: list[str]) -> Iterator[Path | None]:
    """Yield the files to read, None for standard input. Raises `UsageError`, `OSError`."""
    if not names or len(set(names)) != len(names):
        raise UsageError("give files of records or data directories, each once")
    for name in names:
        path = Path(name)
        if name == _STDIN:
            yield None
        elif not name or (name.startswith("-") and not path.exists()):
            raise UsageError(f"unknown option {name}" if name else "an empty path")
        elif path.is_dir():
            yield from _articles(path)
        elif not path.exists():
            raise UsageError(f"no such file or directory: {name}")
        elif not path.name.endswith(_LINES) or path.name.endswith(OUTCOMES):
            raise UsageError(f"no file of records (.jsonl or .jsonl.gz): {name}")
        else:
            yield path


def _articles(directory: Path) -> list[Path]:
    """List what crawls have completed in a data directory or its ``articles/``."""
    folder = directory / "articles"
    is_one = folder.is_dir() or directory.resolve().name == "articles"
    folder = folder if folder.is_dir() else directory
    found = [
        path
        for path in sorted(folder.iterdir())
        if read_articles_name(path.name) and not path.name.endswith(REJECTED) and path.is_file()
    ]
    if not (found or is_one):
        raise UsageError(f"neither articles/ nor JSON Lines files in {directory}")
    return found


def read_lines(path: Path | None, bar: "tqdm[Any]") -> Iterator[bytes]:
    """Yield the lines; of one that is too long for a record, its beginning. Raises `Unreadable`."""
    try:
        with ExitStack() as stack:
            file: BinaryIO = stack.enter_context(path.open("rb")) if path else sys.stdin.buffer
            lines: io.BufferedIOBase | BinaryIO = file
            if path is not None and path.suffix == ".gz":
                lines = stack.enter_context(gzip.GzipFile(fileobj=file))
            read = 0
            while line := lines.readline(LONGEST + 1):
                yield line
                while len(line) > LONGEST and not line.endswith(b"\n"):
                    line = lines.readline(LONGEST + 1)
                at = file.tell() if path is not None else read + len(line)
                bar.update(at - read)
                read = at
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable(f"it is not whole: {error}") from None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None


# -------------------------------------------------------------------------------------------- out


class Archive:
    """A directory of documents, each of which appears whole. Raises `OSError`.

    A document grows as ``export-archive.part`` and is then renamed, so one export at a time may
    write: it holds a lock on the directory. What was written is on disk when the context ends.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.part = directory / "export-archive.part"

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self.fd)
            raise OSError(error.errno, "another export is writing there", self.directory) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.part.unlink(missing_ok=True)
        os.sync()  # once, for a flush of each of millions would take hours
        os.close(self.fd)

    def write(self, name: str, document: bytes) -> str:
        """Write a document unless it is there as it is; say which: it was a count's name."""
        path = self.directory / name
        try:
            if path.read_bytes() == document:
                return "unchanged"
            done = "replaced"
        except FileNotFoundError:
            done = "written"
        self.part.write_bytes(document)
        try:
            self.part.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True)
            self.part.replace(path)
        return done


def export(paths: list[Path | None], archive: Archive, counts: Counter[str]) -> None:
    """Write the records of all files; tell lines that are none. Raises `OSError` of the archive."""
    size = sum(path.stat().st_size for path in paths if path is not None and path.exists())
    with tqdm(
        total=size or None,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        leave=False,
        disable=None,  # where standard error is no terminal
    ) as bar:
        for path in paths:
            name = path or "standard input"
            try:
                for number, line in enumerate(read_lines(path, bar), start=1):
                    try:
                        counts[export_line(line, archive)] += 1
                    except ValueError as error:
                        counts["refused"] += 1
                        field = getattr(error, "field", "line")
                        complain(f"{name}: line {number}: {field}: {error}")
            except Unreadable as error:
                counts["unreadable"] += 1
                complain(f"{name}: {error}")


def export_line(line: bytes, archive: Archive) -> str:
    """Write one record. Raises `OSError` of the archive, or `ValueError` with the `field` at fault."""
    record = read_record(line)
    document = write_document(document_of(record))
    return archive.write(document_path(record), document.encode())
