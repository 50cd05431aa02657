"""Who is graded: teams as folders, lab files, the evidence of their own runs, or rows of a teams.csv.

What a team handed in may be anything; whatever is wrong with it is that team's, and is told in its row.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from xenlab.classroom.member import Member
from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.evidence.text import brief, plain
from xenlab.labfile import LabFile, load
from xenlab.tomlfile import listed

LAB_FILE = "lab.toml"
_COLUMNS = ("team", "lab", "student", "email", "id", "login", "canvas_id", "section", "handed_in")
_MOST_BYTES = {"lab": 1_000_000, "evidence": 64_000_000}
_NAME, _FOLDER = 100, 48
_WHEN = TypeAdapter(AwareDatetime)


@dataclass(frozen=True, slots=True)
class Team:
    """One team: its `name` as it is shown, the `folder` of its own that its attempts lie in, and what is graded.

    `source` is a lab file, or the evidence of a run of theirs (evidence.zip). `shares` are the hosts that no other run
    may use meanwhile, `digest` is that of what was handed in, `problem` says why it cannot be graded at all.
    """

    name: str
    folder: str
    source: Path
    kind: Literal["lab", "evidence"]
    shares: frozenset[str] = frozenset()
    digest: str = ""
    problem: str = ""
    members: tuple[Member, ...] = ()
    handed_in: datetime | None = None


def teams(paths: Iterable[Path]) -> list[Team]:
    """The teams that are named, in their order.

    :raises UsageError: a path is not there, a teams.csv is wrong, or two teams have one name.
    """
    found: dict[str, Team] = {}
    for path in paths:
        for team in _of_table(path) if path.suffix == ".csv" else [_team(_name_of(path), path)]:
            if (other := found.setdefault(team.folder, team)) is not team:
                raise UsageError(
                    f"two teams are called {team.name!r}: {other.source} and {team.source}",
                    hint="name them in a teams.csv: docs/instructor.md shows one",
                )
    return list(found.values())


def folder_of(name: str) -> str:
    """The folder of a team of that name: letters, digits and . _ - alone, another one for each name."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:_FOLDER]
    if safe == name:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe}-{digest}" if safe else digest


def _name_of(path: Path) -> str:
    """A folder's name, or that of what is handed in; of what all teams call alike, that of the folder it is in."""
    path = path.absolute()
    if not (path.exists() or path.is_symlink()):
        raise UsageError(f"{path}: there is no such folder or file", hint="TEAMS are folders, lab files or a teams.csv")
    if path.is_dir():
        return path.name
    return path.parent.name if path.name in (LAB_FILE, bundle.PACKED) else path.stem


def _team(name: str, path: Path) -> Team:
    shown = brief(plain(name), _NAME) or "?"
    source, kind = _source(path)
    team = Team(shown, folder_of(name), source.absolute(), kind)
    try:
        if not source.exists():
            return replace(team, problem=f"{source.name}: there is no such file")
        if not source.is_file() or source.stat().st_size > _MOST_BYTES[kind]:
            return replace(team, problem=f"{source.name}: is no file that could be the {kind} of a team")
        shares = frozenset(_hosts(load(source))) if kind == "lab" else frozenset()
        return replace(team, digest=_digest(source), shares=shares)
    except OSError as problem:
        return replace(team, problem=f"{source.name}: {problem.strerror or problem}")
    except (UsageError, RecursionError) as problem:
        return replace(team, problem=str(problem))


def _source(path: Path) -> tuple[Path, Literal["lab", "evidence"]]:
    if not path.is_dir():
        return path, "evidence" if path.suffix == ".zip" else "lab"
    if (path / LAB_FILE).exists():
        return path / LAB_FILE, "lab"
    packed = path / bundle.PACKED
    return (packed, "evidence") if packed.exists() else (path / LAB_FILE, "lab")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hosts(lab: LabFile) -> Iterator[str]:
    """Each host by the way to it: behind another gate the same address is another machine."""
    machines = {machine.name: machine for machine in (*lab.hosts, *lab.jumps)}
    for host in lab.hosts:
        way, machine = "", host.via
        while machine is not None:
            way += f"{machines[machine].ssh_host}:{machines[machine].port} "
            machine = machines[machine].via
        yield f"{way}{host.ssh_host}:{host.port}"


def _of_table(path: Path) -> list[Team]:
    """The teams of a teams.csv: a row a team, or a row a member; what is not told again stays as it was."""
    rows: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, row in _rows(path):
        rows.setdefault(row["team"], []).append((line, row))
    found = []
    for name, told in rows.items():
        of_team = {key: _given_once(path, name, key, told) for key in ("lab", "handed_in")}
        lab = path.parent / (of_team["lab"] or name)
        if not lab.exists() and not of_team["lab"]:
            raise UsageError(f"{path}:{told[0][0]}: lab: is missing, and {lab} is not there")
        members = tuple(Member(**{key: row[key] for key in Member.model_fields}) for _, row in told)
        found.append(
            replace(
                _team(name, lab),
                members=tuple(member for member in members if member != Member()),
                handed_in=_when(path, told[0][0], of_team["handed_in"]),
            )
        )
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            columns = table.fieldnames or ()
            if unknown := [str(column) for column in columns if column not in _COLUMNS]:
                raise UsageError(f"{path}: unknown column {unknown[0]!r}: allowed are {listed(_COLUMNS)}")
            if "team" not in columns:
                raise UsageError(f"{path}: there is no column team", hint="docs/instructor.md shows one")
            for row in table:
                if None in row or not (row["team"] or "").strip():
                    raise UsageError(f"{path}:{table.line_num}: the row names no team, or has more cells than columns")
                yield table.line_num, {key: (row.get(key) or "").strip() for key in _COLUMNS}
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise UsageError(f"{path}: cannot be read: {problem}") from None


def _given_once(path: Path, name: str, key: str, rows: Sequence[tuple[int, dict[str, str]]]) -> str:
    values = {row[key]: line for line, row in rows if row[key]}
    if len(values) > 1:
        line = list(values.values())[1]
        raise UsageError(f"{path}:{line}: {key}: team {name!r} has another one above")
    return next(iter(values), "")


def _when(path: Path, line: int, text: str) -> datetime | None:
    try:
        return moment(text) if text else None
    except ValueError as problem:
        raise UsageError(f"{path}:{line}: handed_in: {problem}") from None


def moment(text: str) -> datetime:
    """A time with its offset from UTC.

    :raises ValueError: it is none.
    """
    try:
        return _WHEN.validate_python(text)
    except ValidationError:
        raise ValueError(f"{text!r} is no time such as 2026-03-01T18:00+01:00") from None
