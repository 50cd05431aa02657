"""Who is graded: folders, files and tables; hostile names; what is wrong with a team is that team's."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from toyclass import LAB

from xenlab.classroom.member import Member
from xenlab.classroom.team import Team, folder_of, teams
from xenlab.errors import UsageError


def lab(path: Path, first: str = "192.0.2.1", second: str = "192.0.2.2", more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LAB.format(name="lab", first=first, second=second) + more)
    return path


def table(folder: Path, *rows: str) -> Path:
    path = folder / "teams.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def one(path: Path) -> Team:
    (team,) = teams([path])
    return team


def test_a_team_is_called_as_its_folder_or_its_file(tmp_path: Path) -> None:
    lab(tmp_path / "alpha/lab.toml")
    lab(tmp_path / "beta.toml")
    (tmp_path / "gamma").mkdir()
    (tmp_path / "gamma/evidence.zip").touch()
    (tmp_path / "delta.zip").touch()
    paths = [tmp_path / name for name in ("alpha", "beta.toml", "gamma", "delta.zip")]
    assert [(team.name, team.kind, team.problem) for team in teams(paths)] == [
        ("alpha", "lab", ""),
        ("beta", "lab", ""),
        ("gamma", "evidence", ""),
        ("delta", "evidence", ""),
    ]
    assert one(tmp_path / "alpha/lab.toml") == one(tmp_path / "alpha")


def test_hosts_are_the_same_only_by_the_same_way(tmp_path: Path) -> None:
    jump = '[[jumps]]\nname = "gate"\naddress = "{}"\n'
    plain = one(lab(tmp_path / "a.toml")).shares
    assert plain == {"192.0.2.1:22", "192.0.2.2:22"}
    assert one(lab(tmp_path / "b.toml", "192.0.2.9")).shares & plain == {"192.0.2.2:22"}
    behind = []
    for name, gate in (("c", "198.51.100.1"), ("d", "198.51.100.2"), ("e", "198.51.100.1")):
        path = lab(tmp_path / f"{name}.toml", more=jump.format(gate))
        path.write_text(path.read_text().replace('address = "192.0.2.1"', 'address = "192.0.2.1"\nvia = "gate"'))
        behind.append(one(path).shares)
    assert "198.51.100.1:22 192.0.2.1:22" in behind[0]
    assert behind[0] == behind[2] != behind[1]


@pytest.mark.parametrize(
    "name",
    ["../../etc", "..", ".", "/", "a\nb", "a\x1b]0;x\x07", "=cmd", "-rf", "CON aux", "ü", "x" * 300, "a/b", "\udce9"],
)
def test_a_hostile_name_stays_in_the_classs_folder(name: str) -> None:
    folder = folder_of(name)
    assert folder == Path(folder).name
    assert folder not in ("", ".", "..")
    assert not folder.startswith((".", "-"))
    assert folder.isascii()
    assert len(folder) < 64
    assert folder != folder_of(f"{name} ")


def test_a_plain_name_is_its_folder() -> None:
    assert folder_of("team-7_b.2") == "team-7_b.2"


def test_what_is_wrong_with_what_a_team_handed_in_is_in_its_row(tmp_path: Path) -> None:
    lab(tmp_path / "good/lab.toml")
    for name, content in (
        ("empty", None),
        ("bad", "name = 3"),
        ("deep", "a = " + "[" * 5000),
        ("huge", "#" * 2_000_000),
    ):
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "lab.toml").write_text(content)
    for name in ("fifo", "endless", "folder"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo/lab.toml")
    (tmp_path / "endless/lab.toml").symlink_to("/dev/zero")
    (tmp_path / "folder/lab.toml").mkdir()
    os.mkfifo(tmp_path / "fifo.zip")
    found = {
        team.name: team.problem for team in teams(path for path in sorted(tmp_path.iterdir()) if path.suffix != ".zip")
    }
    assert found.pop("good") == ""
    assert all(found.values()), found
    assert found["empty"] == "lab.toml: there is no such file"
    assert "name: 3 is not allowed" in found["bad"]
    assert {found[name] for name in ("fifo", "endless", "folder", "huge")} == {
        "lab.toml: is no file that could be the lab of a team"
    }
    assert one(tmp_path / "fifo.zip").problem == "fifo.zip: is no file that could be the evidence of a team"


def test_what_was_handed_in_anew_has_another_digest(tmp_path: Path) -> None:
    first = one(lab(tmp_path / "a/lab.toml"))
    assert one(lab(tmp_path / "a/lab.toml")).digest == first.digest
    assert one(lab(tmp_path / "a/lab.toml", more="# more\n")).digest != first.digest


def test_a_table_has_a_row_a_team_or_a_row_a_member(tmp_path: Path) -> None:
    lab(tmp_path / "labs/a.toml")
    lab(tmp_path / "beta/lab.toml")
    path = table(
        tmp_path,
        "team,lab,student,email,id,handed_in",
        "alpha,labs/a.toml,Ada,ada@example.org,1,2026-03-01T18:00+01:00",
        "beta,,,,,",
        "alpha,,Bo,,2,",
    )
    alpha, beta = teams([path])
    assert alpha.members == (Member(student="Ada", email="ada@example.org", id="1"), Member(student="Bo", id="2"))
    assert alpha.handed_in == datetime(2026, 3, 1, 17, tzinfo=UTC)
    assert (beta.members, beta.handed_in, beta.problem) == ((), None, "")


def test_a_team_of_the_table_that_handed_in_nothing_is_a_team(tmp_path: Path) -> None:
    assert one(table(tmp_path, "team,lab", "alpha,labs/a.toml")).problem == "a.toml: there is no such file"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["name,lab"], "unknown column 'name': allowed are team, lab"),
        (["lab"], "there is no column team"),
        (["team,lab", "a,x.toml,more"], "teams.csv:2: the row names no team, or has more cells"),
        (["team,lab", ",x.toml"], "teams.csv:2: the row names no team"),
        (["team,lab", "a,x.toml", "a,y.toml"], "teams.csv:3: lab: team 'a' has another one above"),
        (["team,lab,handed_in", "a,x.toml,yesterday"], "teams.csv:2: handed_in: 'yesterday' is no time such as"),
        (["team,lab,handed_in", "a,x.toml,2026-03-01T18:00"], "teams.csv:2: handed_in: '2026-03-01T18:00' is no time"),
        (["team", "a"], "teams.csv:2: lab: is missing"),
        (["team,lab", '"a,x'], "cannot be read"),
    ],
)
def test_a_wrong_table_is_told_with_its_line(tmp_path: Path, rows: list[str], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        teams([table(tmp_path, *rows)])
    assert says in str(refused.value)


def test_a_path_that_is_not_there_and_two_teams_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder or file"):
        teams([tmp_path / "nobody"])
    lab(tmp_path / "x/alpha/lab.toml")
    lab(tmp_path / "y/alpha/lab.toml")
    with pytest.raises(UsageError, match="two teams are called 'alpha'"):
        teams([tmp_path / "x/alpha", tmp_path / "y/alpha"])
