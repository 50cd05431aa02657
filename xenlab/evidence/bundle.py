"""The evidence of one run as one folder or file: what was seen and done, what was run, and by which xenlab.

    evidence/
        tape.jsonl       what was seen and done, as data (`xenlab.lab.tape`)
        commands.jsonl   every remote command
        lab.toml         the lab, without the files that it is logged in by
        run.json         what was graded, by which version and suite
        rubric.toml      by which rubric, where it was another than xenlab's own
        grade.json       what came of it
        manifest.json    the SHA-256 of each of them

It is written as the run goes on, so that what a killed run has seen is there up to that point; its manifest is made at
the end, and what has none, or has changed since, is not graded again.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pydantic import Field, ValidationError

from xenlab.errors import UsageError
from xenlab.evidence.files import write_whole
from xenlab.jsontext import parsed
from xenlab.outcomes import Grade, Model

TAPE, COMMANDS, LAB, RUN, GRADE = "tape.jsonl", "commands.jsonl", "lab.toml", "run.json", "grade.json"
RUBRIC = "rubric.toml"
MANIFEST = "manifest.json"
PACKED = "evidence.zip"
_NEEDED = (TAPE, COMMANDS, LAB, RUN, GRADE)
_MOST_BYTES = 64_000_000
_MOST_FILES = 1000
_UNREADABLE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError)
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class RunFacts(Model):
    """What was graded: these guests and steps (`alone`: without what they need), by a `rubric` of its own or not.

    One that was `whole` left out no step of those guests, one that was `read_only` changed nothing. `seen` is what its
    results rest on (`xenlab.lab.seen`), `passed` are the steps, each on its guest, that passed, and `taken_over` those
    of them that are of an earlier run, with its date. `suite` is the digest of xenlab's own code, steps and all,
    `version` its version.
    """

    guests: tuple[str, ...]
    steps: tuple[str, ...]
    alone: bool
    rubric: bool
    version: str
    suite: str
    whole: bool = True
    read_only: bool = False
    seen: dict[str, str] = Field(default_factory=dict)
    passed: tuple[str, ...] = ()
    taken_over: dict[str, datetime] = Field(default_factory=dict)


def suite_digest(working_copy: Path) -> str:
    """The SHA-256 over all that decides a grade: xenlab with its own rubric, fixtures and steps."""
    digest = hashlib.sha256()
    for folder in ("xenlab", "fixtures", "tests"):
        for path in sorted(path for kind in ("*.py", "*.toml") for path in (working_copy / folder).rglob(kind)):
            digest.update(f"{path.relative_to(working_copy)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def seal(folder: Path) -> None:
    """Write the manifest of all that lies in the folder.

    :raises OSError: it cannot be written.
    """
    files = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    write_whole(folder / MANIFEST, json.dumps({"files": files}, indent=1) + "\n")


def pack(folder: Path, into: Path) -> None:
    """Put the folder into one file.

    :raises OSError: it cannot be written.
    """
    part = into.with_name(f".{into.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (*_files(folder), folder / MANIFEST):
            archive.write(path, path.relative_to(folder))
    part.chmod(0o600)
    part.replace(into)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a bundle, which may be a file, a folder or a run's reports; whole and unchanged.

    :raises UsageError: it is no bundle, was cut off, or has been changed; it says where.
    """
    with TemporaryDirectory(prefix="xenlab-bundle-") as scratch:
        if path.is_dir():
            folder = path / "evidence" if (path / "evidence").is_dir() else path
        else:
            folder = Path(scratch)
            _unpack(path, folder)
        _check(folder, path)
        yield folder


def facts_of(folder: Path) -> RunFacts:
    """What was graded.

    :raises UsageError: run.json is none of ours.
    """
    try:
        return RunFacts.model_validate_json((folder / RUN).read_bytes())
    except (OSError, ValidationError) as problem:
        raise UsageError(f"{folder / RUN} is none of ours: {problem}") from None


def grade_of(folder: Path) -> Grade:
    """The grade that was made of it then.

    :raises UsageError: grade.json is none of ours.
    """
    try:
        return Grade.model_validate_json((folder / GRADE).read_bytes())
    except (OSError, ValidationError) as problem:
        raise UsageError(f"{folder / GRADE} is none of ours: {problem}") from None


def _check(folder: Path, path: Path) -> None:
    try:
        files = parsed((folder / MANIFEST).read_bytes())["files"]
        expected = {str(name): str(digest) for name, digest in files.items()}
    except FileNotFoundError:
        raise UsageError(
            f"{path} has no {MANIFEST}: its run was cut off", hint="what it saw until then is in tape.jsonl"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise UsageError(f"{path}: its {MANIFEST} cannot be read: {problem}") from None
    if missing := [name for name in _NEEDED if name not in expected]:
        raise UsageError(f"{path}: its {MANIFEST} does not name {', '.join(missing)}")
    found = {str(file.relative_to(folder)): file for file in _files(folder)}
    odd = [f"{name} is missing" for name in expected if name not in found]
    odd += [f"{name} was added" for name in found if name not in expected]
    found = {name: file for name, file in found.items() if name in expected}
    odd += [f"{name} was changed" for name, file in found.items() if expected.get(name, "") != _digest(file)]
    if odd:
        raise UsageError(f"{path} is not as its run left it: {'; '.join(odd[:5])}", hint="it is not graded again")


def _unpack(path: Path, into: Path) -> None:
    """Every file of the archive, within the folder, and no more than a run could have written.

    :raises UsageError: it is no archive of ours.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise UsageError(f"{path} holds more than a run writes")
            for entry in entries:
                name = PurePosixPath(entry.filename)
                outside = (
                    not entry.filename
                    or entry.is_dir()
                    or name.is_absolute()
                    or ".." in name.parts
                    or "\\" in entry.filename
                )
                if outside or entry.compress_type not in _PACKED:
                    raise UsageError(f"{path}: {entry.filename!r} has no place in a bundle")
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source:
                    target.write_bytes(source.read(_MOST_BYTES))
    except _UNREADABLE as problem:
        raise UsageError(f"{path} cannot be read: {problem}", hint=f"a bundle is {PACKED} of a run") from None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
