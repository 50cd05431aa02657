"""What ./lab says of a practice, and what it does of one that is on."""

from pathlib import Path

import pytest
from playedxen import PlayedXen
from test_practice import START, Judge, up

from xenlab.cli.main import main
from xenlab.practice import practice
from xenlab.scenarios.sheet import SEEN, checkpoint_after


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """How pytest was called; a practice is on."""
    made: list[list[str]] = []

    def run(arguments: list[str], *_: object, **__: object) -> int:
        made.append(arguments)
        return 1

    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", tmp_path)
    monkeypatch.setattr("xenlab.cli.pytest_child.run_pytest", run)
    up(tmp_path / ".lab", START, checkpoint_after("hosts"))
    return made


def test_a_practice_is_graded_by_finish_alone(calls: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("verify", "prove", "record"):
        assert main([verb, *(["unmounted"] if verb == "record" else [])]) == 2
        words = "the lab that is up is for practice (./lab finish grades it as it is; ./lab down ends the practice)"
        assert capsys.readouterr().err == f"xenlab: {words}\n"
    assert calls == []
    assert main(["finish", "--guest", "guest1"]) == 1
    assert calls == [["tests", "--lab=embedded", "--guest=guest1"]]
    assert "as it is" in capsys.readouterr().err


def test_verify_of_another_lab_is_none_of_the_practices(calls: list[list[str]], tmp_path: Path) -> None:
    assert main(["verify", "--lab", str(tmp_path / "missing.toml"), "--yes"]) == 2
    assert calls == []


def test_the_last_line_of_a_check_says_what_is_next(
    calls: list[list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Judge(["shared-storage"])(SEEN, [])
    monkeypatch.setattr("xenlab.report.grade_file.read_grade", lambda _: made)
    assert main(["check"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("next: shared-storage: have baye export a folder")
    assert main(["check", "--json"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.startswith("next: shared-storage")) == ("", True)


def test_a_check_without_a_grade_or_a_practice_says_nothing_more(
    calls: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 1
    up(tmp_path / ".lab")
    assert main(["check"]) == 1
    assert capsys.readouterr().out == ""


def test_status_says_how_far_a_practice_is(calls: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    main(["status"])
    assert "practice   solved: hosts (./lab check says what is next)" in capsys.readouterr().out


def test_a_look_that_comes_to_no_grade_solves_nothing(
    calls: list[list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, xen: PlayedXen
) -> None:
    monkeypatch.setattr(practice, "join", lambda _: xen.spec)
    assert main(["solve", "hosts", "--guest", "guest1"]) == 3
    assert calls[0][:2] == ["tests", "--lab=embedded"]
    assert calls[0][-2:] == ["--read-only", "--step=hosts"]
    assert "the lab could not be looked at (./lab check says why)" in capsys.readouterr().err


def test_going_back_discards_work_and_so_is_told_where_to(
    calls: list[list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(practice, "go_back", lambda _copy, step: calls.append([step]))
    assert main(["back", "start"]) == 0
    assert main(["back", "hosts"]) == 0
    assert calls == [["start"], ["hosts"]]
    assert capsys.readouterr().out.splitlines() == [
        "the lab is as it was when the practice began",
        "the lab is as it was when hosts was solved",
    ]
    with pytest.raises(SystemExit) as refused:
        main(["back"])
    assert refused.value.code == 2
    assert "STEP" in capsys.readouterr().err
