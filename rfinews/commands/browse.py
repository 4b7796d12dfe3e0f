"""``scrapy browse``: a loaded database as pages. Exit status: 0 ended, 1 cannot start, 2 wrong usage."""

import argparse
import sys
from pathlib import Path

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

PORT = 8001


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] DATABASE"

    def short_desc(self) -> str:
        return "Read a loaded SQLite database in a browser"

    def long_desc(self) -> str:
        return (
            "Serve a SQLite database of `scrapy load` as pages on this machine's 127.0.0.1: lists, "
            "search, articles, revisions side by side. The database is only read."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--port", default=str(PORT), help=f"default {PORT}; 0: any that is free"
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            if len(args) != 1 or not args[0]:
                raise UsageError("give one database file")
            if args[0].startswith("-"):
                raise UsageError(f"unknown option {args[0]}")
            if not opts.port.isascii() or not opts.port.isdigit() or int(opts.port) >= 1 << 16:
                raise UsageError(f"--port takes a number from 0 to 65535, not {opts.port!r}")
        except UsageError as error:
            print(f"scrapy browse: {error}", file=sys.stderr)
            sys.exit(2)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            from rfinews.browse import server  # noqa: PLC0415 - an extra, which may not be there
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("rfinews"):
                raise
            print(
                f"scrapy browse: {error.name} is not installed; pip install 'rfinews[browse]'",
                file=sys.stderr,
            )
            self.exitcode = 1
            return
        path = Path(args[0].removeprefix("sqlite:///")).expanduser()
        try:
            datasette = server.open_database(path)
            listening = server.listen(int(opts.port))
        except server.NotBrowsable as error:
            print(f"scrapy browse: {error}", file=sys.stderr)
            self.exitcode = 1
            return
        port = listening.getsockname()[1]
        print(f"http://{server.HOST}:{port}/ shows {path}; Ctrl-C ends it", flush=True)
        try:
            server.serve(datasette, listening)
        except KeyboardInterrupt:
            pass
