"""Imports go down only, and what is pure knows nothing of Scrapy (STYLE: floors)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "__init__": 0,
    "editions": 0,
    "urls": 0,
    "dates": 0,
    "text": 0,
    "markup": 0,
    "items": 1,
    "parsers": 2,
    "files": 3,
    "revisions": 3,
    "ledger": 3,
    "manifest": 3,
    "store": 3,
    "fleet": 3,
    "figures": 3,
    "monitors": 3,
    "notices": 3,
    "recovery": 3,
    "verify": 3,
    "load": 3,
    "report": 3,
    "signals": 4,
    "downloader": 4,
    "middlewares": 4,
    "known": 4,
    "pipelines": 4,
    "output": 4,
    "crawl_log": 4,
    "progress": 4,
    "tally": 4,
    "suite": 4,
    "watching": 4,
    "metrics": 4,
    "worker": 4,
    "addon": 4,
    "arguments": 4,
    "spiders": 5,
    "browse": 5,
    "commands": 6,
    "settings": 7,
}
PURE = sorted(name for name, floor in FLOORS.items() if floor < 4 and name != "__init__")


def floor(module: str) -> int:
    parts = module.split(".")
    return FLOORS[parts[1]] if len(parts) > 1 else 0


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "rfinews":
            names = {f"rfinews.{alias.name}" for alias in node.names}
            found |= {name if name.split(".")[1] in FLOORS else "rfinews" for name in names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] == "rfinews"}


@pytest.mark.parametrize("path", sorted((ROOT / "rfinews").rglob("*.py")), ids=str)
def test_imports_go_down_only(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert [name for name in imports(path) if floor(name) > floor(module)] == []


def test_the_floors_below_know_nothing_of_scrapy():
    modules = ", ".join(
        f"rfinews.{name}.rfi" if name == "parsers" else f"rfinews.{name}" for name in PURE
    )
    code = f"import {modules}, sys; print(sorted({{'scrapy', 'twisted'}} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stdout == "[]\n", found.stderr
