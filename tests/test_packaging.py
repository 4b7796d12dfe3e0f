"""What is shipped: the egg for Scrapyd, the wheel, the pinned requirements."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][0-9.a-z]*)( ; (?P<marker>.+))?")


def run(*command: object, cwd: Path) -> str:
    """The command's standard output; fails with all it said when its status is not 0."""
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def lines_of(name: str) -> list[str]:
    """A requirements file without its comments."""
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def pins(name: str) -> dict[str, set[str]]:
    """Package name to its pinned versions (more than one when markers tell them apart)."""
    found: dict[str, set[str]] = {}
    for line in lines_of(name):
        pin = PINNED.fullmatch(line)
        assert pin, line
        found.setdefault(pin["name"], set()).add(pin["version"])
    return found


def required(name: str, extra: str, seen: set[str]) -> set[str]:
    """Names of the packages that an installed package needs here, and those that they need."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            needed = canonicalize_name(requirement.name)
            if needed not in seen:
                seen.add(needed)
                required(needed, "", seen)
            for wanted in requirement.extras:
                required(needed, wanted, seen)
    return seen


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as git would clone it, in a repository, with what may lie about."""
    tree = tmp_path_factory.mktemp("packaging") / "clone"
    unwanted = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*unwanted, "data", "site"))
    for clutter in ("tests/__init__.py", "fixtures/__init__.py", "rfinews_old/__init__.py"):
        (tree / clutter).parent.mkdir(exist_ok=True)
        (tree / clutter).touch()
    (tree / "rfinews/schemas/notes.txt").write_text("mine")
    run("git", "init", "--quiet", cwd=tree)
    run("git", "add", "--all", cwd=tree)
    return tree


@pytest.fixture(scope="module")
def egg(clone: Path) -> Path:
    """The egg, built as scrapyd-client 2.0.3 builds it."""
    run(sys.executable, "setup.py", "clean", "-a", cwd=clone)
    run(sys.executable, "setup.py", "bdist_egg", "-d", clone.parent / "eggs", cwd=clone)
    (found,) = (clone.parent / "eggs").glob("*.egg")
    return found


@pytest.fixture(scope="module")
def package_files() -> set[str]:
    """Every file that belongs to the package, named from the project's root."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "rfinews").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def shipped(archive: Path) -> set[str]:
    """Names of the files in an egg or wheel, compiled modules left out."""
    with zipfile.ZipFile(archive) as opened:
        return {name for name in opened.namelist() if "/__pycache__/" not in name}


def test_egg_holds_the_package_with_its_data_and_nothing_else(
    egg: Path, package_files: set[str]
) -> None:
    assert "rfinews/schemas/article-v1.json" in package_files
    names = shipped(egg)
    assert {name for name in names if not name.startswith("EGG-INFO/")} == package_files
    assert "EGG-INFO/PKG-INFO" in names


def test_scrapyd_finds_the_settings_in_the_egg(egg: Path) -> None:
    with zipfile.ZipFile(egg) as opened:
        entry_points = opened.read("EGG-INFO/entry_points.txt").decode()
        top_level = opened.read("EGG-INFO/top_level.txt").decode()
    assert entry_points.split("\n") == ["[scrapy]", "settings = rfinews.settings", ""]
    assert top_level == "rfinews\n"


def test_zipped_egg_runs_away_from_the_clone(egg: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(egg)!r})\n"
        "from importlib.resources import files\n"
        "from scrapy.cmdline import execute\n"
        "assert files('rfinews').joinpath('schemas/article-v1.json').read_bytes()\n"
        "import os\n"
        "os.environ['SCRAPY_SETTINGS_MODULE'] = 'rfinews.settings'\n"
        "execute(['scrapy', 'list'])\n"
    )
    spiders = run(sys.executable, "-I", "-c", script, cwd=tmp_path)
    assert spiders.split() == ["archive", "feedx", "rfi"]


def test_building_leaves_nothing_in_the_clone_that_git_sees(egg: Path, clone: Path) -> None:
    assert egg.exists()
    status = run("git", "status", "--porcelain", cwd=clone)
    assert [line for line in status.splitlines() if not line.startswith("A ")] == []


def test_wheel_holds_the_same(clone: Path, package_files: set[str], tmp_path: Path) -> None:
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--wheel-dir", tmp_path, clone),
        cwd=tmp_path,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = shipped(wheel)
    assert {name for name in names if ".dist-info/" not in name} == package_files
    assert any(name.endswith("/LICENSE") for name in names)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pins_and_nothing_else(name: str) -> None:
    assert pins(name)
    for line in (ROOT / name).read_text().splitlines():
        assert "://" not in line
        assert not line.startswith(("-", "/", "."))


#: What each file of pins answers for; the extra `dev` takes all the others in.
DEVELOPMENT = [
    text
    for texts in PROJECT["optional-dependencies"].values()
    for text in texts
    if Requirement(text).name != "rfinews"
]
FILES = (
    ("requirements.txt", PROJECT["dependencies"]),
    ("requirements-dev.txt", PROJECT["dependencies"] + DEVELOPMENT),
)


def test_dev_takes_every_extra_in() -> None:
    extras = PROJECT["optional-dependencies"]
    (own,) = (
        requirement
        for requirement in map(Requirement, extras["dev"])
        if requirement.name == "rfinews"
    )
    assert own.extras == extras.keys() - {"dev"}


def test_requirements_fit_pyproject() -> None:
    for name, texts in FILES:
        pinned = pins(name)
        for requirement in map(Requirement, texts):
            versions = pinned[canonicalize_name(requirement.name)]
            assert all(version in requirement.specifier for version in versions), requirement


def test_dependencies_are_the_packages_that_are_imported() -> None:
    modules: set[str] = set()
    for file in (ROOT / "rfinews").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module)
    names = {module.partition(".")[0] for module in modules}
    ours_or_pythons = {"rfinews", "_typeshed", *sys.stdlib_module_names}
    imported = {canonicalize_name(name) for name in names - ours_or_pythons}
    loaded_by_others = {"uvloop", "tzdata"}  # by Scrapy (ASYNCIO_EVENT_LOOP), by zoneinfo
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    extras = {
        canonicalize_name(Requirement(text).name)
        for name, texts in PROJECT["optional-dependencies"].items()
        if name != "dev"
        for text in texts
    }
    assert (imported | loaded_by_others) - extras == declared


def test_every_transitive_dependency_is_pinned() -> None:
    for name, texts in FILES:
        needed: set[str] = set()
        for requirement in map(Requirement, texts):
            if requirement.marker is None or requirement.marker.evaluate():
                needed.add(canonicalize_name(requirement.name))
                required(requirement.name, "", needed)
        assert needed - set(pins(name)) == set()


def test_what_is_tested_is_what_crawls() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_installed_packages_agree_with_each_other() -> None:
    run(sys.executable, "-m", "pip", "check", cwd=ROOT)
