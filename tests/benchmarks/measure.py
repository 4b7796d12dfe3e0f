"""How long a command takes and how much memory it needs; medians; tables.

As a script it runs a command and writes what that cost: ``python measure.py REPORT COMMAND…``. It is
a small process of its own because Linux counts in a child's peak memory what its parent held.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a process took from start to end, its children included."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    peak_mb: float
    """Peak resident memory, MiB."""
    log: str
    """Standard error."""

    def stat(self, name: str) -> float:
        """Return a number from the statistics that Scrapy logs at its end; KeyError if it is not there."""
        found = re.search(rf"'{name}': ([\d.]+)", self.log)
        if found is None:
            raise KeyError(f"{name} is not in the log, which ends with:\n{self.log[-2000:]}")
        return float(found[1])


def measured(command: Sequence[object], cwd: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command to its end. CalledProcessError, with the end of its log as a note, if it fails."""
    with TemporaryDirectory() as folder:
        report, log = Path(folder) / "report.json", Path(folder) / "log"
        parts = [sys.executable, __file__, str(report), *map(str, command)]
        with log.open("wb") as stderr:
            subprocess.run(
                parts, cwd=cwd, env=environment, stderr=stderr, stdin=subprocess.DEVNULL, check=True
            )
        said = log.read_text(encoding="utf-8", errors="replace")
        cost = json.loads(report.read_bytes())
    if cost["status"]:
        error = subprocess.CalledProcessError(cost["status"], parts)
        error.add_note(said[-2000:])
        raise error
    return Cost(wall=cost["wall"], cpu=cost["cpu"], peak_mb=cost["peak_mb"], log=said)


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what could steer a crawl, and with `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SCRAPY", "RFINEWS")) and not name.lower().endswith("_proxy")
    }
    return kept | more


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the median of the ratios of runs that were made side by side."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table that also reads well as text: the first column left, others right.

    >>> print(table(("what", "n"), [("a", 1), ("bcd e", 20)]))
    | what  |  n |
    | :---- | -: |
    | a     |  1 |
    | bcd e | 20 |
    """
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join((first, *others))} |"

    rule = ["-" * (width - 1) for width in widths]
    rule = [f":{rule[0]}", *(f"{dashes}:" for dashes in rule[1:])]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def main() -> None:
    report, *command = sys.argv[1:]
    started = perf_counter()
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cost = {
        "status": process.returncode,
        "wall": perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    Path(report).write_text(json.dumps(cost), encoding="utf-8")


if __name__ == "__main__":
    main()
