"""``scrapy verify``: check what crawls left. Exit status: 0 no fault, 1 faults, 2 wrong usage."""

import argparse
import io
import json
import os
import sys
from pathlib import Path

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from rfinews.verify import NotVerifiable, Verification


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] PATH..."

    def short_desc(self) -> str:
        return "Check files against their manifests"

    def long_desc(self) -> str:
        return (
            "Check data directories, their articles/, single manifests or JSON Lines files: a line "
            "for each fault, then a summary. Exit status 0: no fault, 1: faults, 2: wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            self.verification = self.check(args)
        except (UsageError, NotVerifiable) as error:
            print(f"scrapy verify: {error}", file=sys.stderr)
            sys.exit(2)

    def check(self, args: list[str]) -> Verification:
        """Raise `UsageError` or `NotVerifiable`, one line for the user."""
        for arg in args:
            if arg.startswith("-"):
                raise UsageError(f"unknown option {arg}")
        if not all(args) or not args:
            raise UsageError("give the path of a data directory, a manifest or an articles file")
        return Verification([Path(arg) for arg in args])

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # for terminals without UTF-8
        self.exitcode = 1
        try:
            faults = self.print_json() if opts.json else self.print_lines()
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            print("scrapy verify: interrupted", file=sys.stderr)
        else:
            self.exitcode = 1 if faults else 0

    def print_lines(self) -> int:
        """Print a line for each fault as it is found, the notes, and the counts."""
        faults = 0
        for fault in self.verification.faults():
            faults += 1
            print(f"{fault.path}: {fault.detail}")
        for note in self.verification.notes:
            print(f"note: {note.path}: {note.detail}")
        done = self.verification
        counts = (done.manifests, "manifest"), (done.files, "file"), (done.lines, "line")
        summary = ", ".join(counted(number, word) for number, word in counts)
        print(f"{summary}: {counted(faults, 'fault') if faults else 'no faults'}")
        return faults

    def print_json(self) -> int:
        faults = list(self.verification.faults())
        report = {
            "ok": not faults,
            "manifests": self.verification.manifests,
            "files": self.verification.files,
            "lines": self.verification.lines,
            "faults": [fault._asdict() for fault in faults],
            "notes": [note._asdict() for note in self.verification.notes],
        }
        print(json.dumps(report))
        return len(faults)


def counted(number: int, word: str) -> str:
    """Return number and word as people write them.

    >>> counted(1, "file"), counted(1234, "line")
    ('1 file', '1,234 lines')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"
