"""Runs Allure 3, which is a Node program: installed once into the cache, then without the network."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from xenlab.errors import CannotObserve, UsageError
from xenlab.evidence.files import write_whole
from xenlab.jsontext import parsed
from xenlab.outcomes import Grade
from xenlab.report.allure import finished
from xenlab.testbed import cache, tools

VERSION = "3.18.0"
"""The version of the npm package `allure` whose page `report.allure` knows."""

HISTORY = "allure-history.jsonl"
_INSTALL_SECONDS = 600
_RUN_SECONDS = 120
_QUIET = ("--no-audit", "--no-fund", "--no-progress", "--loglevel=error", "--ignore-scripts")


def write_allure_page(reports: Path, grade: Grade, config: Path) -> Path:
    """Write allure.html into `reports` from its allure-results/, and return its path; `config` is an allurerc.

    :raises UsageError: no results, no Node or npm, or Allure could not be installed or failed.
    :raises OSError: the page could not be written.
    """
    results = reports / "allure-results"
    if not any(results.glob("*-result.json")):
        raise UsageError(f"{results} holds no results", hint="./lab verify writes them")
    node = _require("node")
    program = _installed()
    forget_this_run(reports / HISTORY, results)
    with tempfile.TemporaryDirectory(prefix="xenlab-allure-") as folder:
        arguments = [
            *("--config", str(config), "--output", folder, "--history-path", str(reports / HISTORY)),
            *("--name", f"xenlab: {grade.lab.name}", "--single-file", "--report-language", "en"),
            *("--group-by", "epic,feature,story"),
        ]
        _run([node, str(program), "awesome", str(results), *arguments], "Allure", _RUN_SECONDS, Path(folder))
        with suppress(FileNotFoundError):
            (reports / HISTORY).chmod(0o600)  # it holds what checks found
        page = (Path(folder) / "index.html").read_text(encoding="utf-8")
    path = reports / "allure.html"
    write_whole(path, finished(page, grade))
    return path


def forget_this_run(history: Path, results: Path) -> None:
    """Drop from Allure's history what an earlier page of the same results put there: a run counts once.

    :raises UsageError: the history is not what Allure writes.
    """
    if not history.exists():
        return
    starts = {parsed(path.read_bytes())["start"] for path in results.glob("*-result.json")}
    kept = []
    for number, line in enumerate(history.read_bytes().splitlines(keepends=True), 1):
        try:
            begun = {test["start"] for test in parsed(line)["testResults"].values()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{history}:{number}: not a run in Allure's history", hint="remove that line") from None
        if begun.isdisjoint(starts):
            kept.append(line)
    write_whole(history, b"".join(kept))


def _installed() -> Path:
    """Allure's program in the cache; installed when it is not there."""
    root = cache.cache_root() / "allure"
    folder = root / VERSION
    with cache.locked(root / "lock"):
        if not cache.is_complete(folder):
            npm = _require("npm")
            with cache.building(folder) as partial:
                argv = [npm, "install", "--prefix", str(partial), *_QUIET, f"allure@{VERSION}"]
                _run(argv, f"installing Allure {VERSION} by npm", _INSTALL_SECONDS, root)
    return folder / "node_modules" / "allure" / "cli.js"


def _require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise UsageError(
            f"allure.html is made by Allure 3, which needs Node.js 20 and npm: there is no {program} here",
            hint="sudo apt-get install nodejs npm; report.html needs neither",
        )
    return found


def _run(argv: list[str], purpose: str, timeout: float, folder: Path) -> None:
    try:
        tools.run(tools.Program(argv, folder / "allure.log", purpose, timeout))
    except CannotObserve as failed:
        # Nothing of the lab was looked at.
        raise UsageError(failed.message, hint=failed.hint) from failed
