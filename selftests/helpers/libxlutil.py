"""Finds the real libxlutil, installed or fetched from the distribution into the cache, and asks it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xenlab.testbed.cache import cache_root, locked

ORACLE = Path(__file__).with_name("xlutil_oracle.py")
JAMMED = "flex scanner jammed"
"""How the lexer of disks ends the whole process, on a line break behind what it cannot read."""

SYSTEM = (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib"))


class NotToBeHad(Exception):
    """Neither the library nor a way to fetch it; says why."""


@dataclass(frozen=True)
class XlUtil:
    """The library in a folder, with libxenlight of the same version beside it."""

    path: Path

    @property
    def version(self) -> tuple[int, int]:
        major, minor = self.path.name.removeprefix("libxlutil.so.").split(".")[:2]
        return int(major), int(minor)

    def ask(self, questions: list[list[Any]]) -> list[Any]:
        """The answers of `xlutil_oracle.py`, in order. Where the library ends the process, xl ends too: refused."""
        answers: list[Any] = []
        while len(answers) < len(questions):
            done = self._run(questions[len(answers) :])
            answers += [json.loads(line) for line in done.stdout.splitlines()]
            if done.returncode:
                assert JAMMED in done.stderr, f"the library stopped: {done.returncode} {done.stderr[-500:]}"
                answers.append(None)
        return answers

    def _run(self, questions: list[list[Any]]) -> subprocess.CompletedProcess[str]:
        light = self.path.with_name(self.path.name.replace("xlutil", "xenlight"))
        return subprocess.run(
            [sys.executable, str(ORACLE), str(self.path), str(light)],
            input="".join(f"{json.dumps(question)}\n" for question in questions),
            capture_output=True,
            text=True,
            env={**os.environ, "LD_LIBRARY_PATH": str(self.path.parent)},
            check=False,
        )


@cache
def find() -> XlUtil:
    """The library. Raises NotToBeHad."""
    for folder in SYSTEM:
        if found := _in(folder):
            return found
    root = cache_root() / "libxlutil"
    with locked(root.with_suffix(".lock")):
        found = _in(root)
        if not found:
            _fetch(root)
            found = _in(root)
    if not found:
        raise NotToBeHad("the distribution's package holds no libxlutil")
    return found


def _in(folder: Path) -> XlUtil | None:
    names = (*folder.glob("libxlutil.so.*"), *folder.glob("*/libxlutil.so.*"), *folder.glob("usr/lib/*/libxlutil.so.*"))
    paths = [path for path in names if path.with_name(path.name.replace("xlutil", "xenlight")).exists()]
    return XlUtil(min(paths, key=lambda path: len(path.name))) if paths else None


def _fetch(root: Path) -> None:
    """Unpack the package and what it needs that is not installed; no root is needed."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(tool):
            raise NotToBeHad(f"no libxlutil is installed, and no {tool} to fetch it with")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        place = Path(folder)
        options: tuple[str, ...] = ()
        if not _package(options):
            options = _own_lists(place / "apt")
        package = _package(options)
        if not package:
            raise NotToBeHad("the distribution has no package libxenmisc, or cannot be reached")
        plan = _run("apt-get", *options, "install", "--simulate", "--no-install-recommends", package)
        missing = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
        _run("apt-get", *options, "download", *(missing or [package]), cwd=place)
        for archive in place.glob("*.deb"):
            _run("dpkg-deb", "-x", str(archive), str(place / "root"))
        (place / "root").rename(root)


def _package(options: tuple[str, ...]) -> str:
    return max(_run("apt-cache", *options, "pkgnames", "libxenmisc").split(), default="")


def _own_lists(folder: Path) -> tuple[str, ...]:
    """Package lists of our own, for a machine whose apt has none and whose root we may not be."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    options = ("-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder}")
    _run("apt-get", *options, "update", "-q")
    return options


def _run(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise NotToBeHad(f"{' '.join(argv[:4])} ... : {done.stderr.strip()[-300:]}")
    return done.stdout
