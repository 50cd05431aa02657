"""The reports folder: held by one run, emptied before it, whole files for their owner only, and a full disk."""

import fcntl
import json
import os
from pathlib import Path

import pytest
from gradedrun import CHAIN, LOOKING, Graded

from xenlab.errors import CannotObserve, UsageError
from xenlab.evidence.files import part_of, write_whole
from xenlab.report.folder import RESULTS, ReportsFolder, forget_results

ALLURE = ("-p", "allure_pytest")
NOTHING_WRONG = CHAIN.replace('guest_name != "guest1"', "True")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def results(reports: Path) -> list[str]:
    """What lies there of a run."""
    return sorted(name for name in RESULTS if (reports / name).exists())


def contents(reports: Path) -> dict[Path, tuple[int, int, int]]:
    """All that lies there, and what changes when it is written."""
    return {path: (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns) for path in reports.rglob("*")}


# Files


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "er" / "grade.json"
    write_whole(path, "first")
    assert (path.read_text(), mode(path), mode(path.parent), mode(path.parent.parent)) == ("first", 0o600, 0o700, 0o700)

    def full(_self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "second")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_half_file_of_a_killed_run_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "grade.json"
    part_of(path).write_text("half")
    part_of(path).chmod(0o644)
    write_whole(path, "caf\udce9".encode("utf-8", "surrogateescape"))
    assert (path.read_bytes(), mode(path)) == (b"caf\xe9", 0o600)
    write_whole(path, "caf\udce9")
    assert path.read_text() == "caf?"


def test_what_others_can_read_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("mine")
    (tmp_path / "grade.json").symlink_to(target)
    assert ReportsFolder(tmp_path).write("grade.json", "new")
    assert (target.read_text(), (tmp_path / "grade.json").read_text()) == ("mine", "new")


def test_what_cannot_be_written_is_told_and_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file in place of the folder")
    folder = ReportsFolder(tmp_path)
    assert not folder.problem
    assert not folder.write("evidence/commands.jsonl", "x")
    assert folder.write("grade.json", "{}")
    assert folder.problem == f"not written: {tmp_path}/evidence/commands.jsonl: Not a directory"
    folder.write("evidence/side/1.txt", "x")
    assert folder.problem.endswith("Not a directory (1 more likewise)")


# Clearing


def fill(folder: Path) -> None:
    """What a run leaves, and what is not its."""
    for name in RESULTS:
        path = folder / name
        if "." in name:
            path.write_text("old")
        else:
            (path / "deep").mkdir(parents=True)
            (path / "deep" / "file").write_text("old")
    (folder / ".grade.json.part").write_text("half")
    for name in ("README.md", "allure-history.jsonl", "notes.txt", "team.json"):
        (folder / name).write_text("kept")


def test_what_a_run_left_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    fill(tmp_path)
    outside = tmp_path.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (tmp_path / "timelines" / "deep" / "link").symlink_to(outside)
    ReportsFolder(tmp_path).clear()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["README.md", "allure-history.jsonl", "notes.txt", "team.json"]
    assert (outside / "file").exists()


def test_a_link_goes_and_not_what_it_leads_to(tmp_path: Path) -> None:
    outside, reports = tmp_path / "outside", tmp_path / "reports"
    for folder in (outside, reports):
        folder.mkdir()
    (outside / "file").write_text("kept")
    (reports / "evidence").symlink_to(outside)
    ReportsFolder(reports).clear()
    assert ((outside / "file").exists(), list(reports.iterdir())) == (True, [])


def test_a_folder_of_somebody_else_s_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "case-1.txt").write_text("kept")
    folder = ReportsFolder(tmp_path)
    with pytest.raises(UsageError, match="evidence was not written by a run of xenlab, which would remove it"):
        folder.hold()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["case-1.txt", "evidence"]
    forget_results(tmp_path)
    assert (tmp_path / "evidence" / "case-1.txt").exists()
    for mark in (".lock", "grade.json"):
        (tmp_path / mark).write_text("")
        folder.hold()
        folder.release()
        (tmp_path / mark).unlink()
        (tmp_path / ".lock").unlink(missing_ok=True)
    ReportsFolder(tmp_path, own=True).hold().release()


def test_a_folder_with_other_things_in_it_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("kept")
    folder = ReportsFolder(tmp_path).hold()
    folder.clear()
    folder.release()
    assert (tmp_path / "notes.txt").exists()


def test_nothing_to_forget_makes_nothing(tmp_path: Path) -> None:
    forget_results(tmp_path / "reports")
    assert list(tmp_path.iterdir()) == []


# Holding


def test_a_second_run_is_told_who_holds_it_and_since_when(tmp_path: Path) -> None:
    first = ReportsFolder(tmp_path / "reports").hold()
    assert mode(tmp_path / "reports") == 0o700
    assert mode(tmp_path / "reports" / ".lock") == 0o600
    (tmp_path / "reports" / "grade.json").write_text("the first's")
    second = ReportsFolder(tmp_path / "reports")
    with pytest.raises(UsageError, match=rf"another run writes there \(pid {os.getpid()}, since 20[-0-9 :]+ UTC\)"):
        second.hold()
    forget_results(tmp_path / "reports")
    assert (tmp_path / "reports" / "grade.json").exists()
    first.release()
    second.hold().release()


@pytest.mark.parametrize("words", [b"", b"{half", b"[]", b'{"pid": "\x1b[31m", "since": 1}', b"\xff" * 300])
def test_whatever_the_lock_says_the_second_run_is_refused(tmp_path: Path, words: bytes) -> None:
    with (tmp_path / ".lock").open("wb") as file:
        file.write(words)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another run writes there \(wait for it"):
            ReportsFolder(tmp_path).hold()


def test_the_next_holder_s_words_replace_longer_ones(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("x" * 500)
    ReportsFolder(tmp_path).hold().release()
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("name", ["reports", "reports/deep"])
def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(CannotObserve, match=f"^{tmp_path}/reports.*: Not a directory"):
        ReportsFolder(tmp_path / name).hold()


# A run


def test_a_run_leaves_files_for_its_owner_only(graded: Graded, pytester: pytest.Pytester) -> None:
    before = os.umask(0o022)
    try:
        graded(CHAIN, *ALLURE, "--grade-output=plain", conftest=LOOKING.replace("SIZE", "10"))
    finally:
        os.umask(before)
    reports = pytester.path / "reports"
    left = [path for path in reports.rglob("*") if path.name != "README.md"]
    assert {mode(path) for path in left if path.is_file()} == {0o600}
    assert {mode(path) for path in (reports, *left) if path.is_dir()} == {0o700}
    missing = set(RESULTS) - {path.name for path in left}
    assert missing == {"report-instructor.html", "allure.html"}
    assert not list(reports.rglob("*.part"))


@pytest.mark.parametrize(
    "args",
    [
        ("--step", "zzz"),
        ("--guest", "zzz"),
        ("--rubric", "none.toml"),
        ("--submission-metadata", "none.json"),
        ("-k", "zz"),
    ],
)
def test_a_wrong_call_leaves_nothing_of_the_run_before(
    graded: Graded, pytester: pytest.Pytester, args: tuple[str, ...]
) -> None:
    reports = pytester.path / "reports"
    assert graded(NOTHING_WRONG, *ALLURE).ret == 0
    assert "gradescope-results.json" in results(reports)
    assert graded(NOTHING_WRONG, *ALLURE, *args).ret in (2, 4, 5)
    assert set(results(reports)) <= {"junit.xml"}  # pytest's own, of this session: no test in it
    if "junit.xml" in results(reports):
        assert 'tests="0"' in (reports / "junit.xml").read_text()


def test_a_wrong_lab_file_leaves_nothing_of_the_run_before(graded: Graded, pytester: pytest.Pytester) -> None:
    conftest = 'pytest_plugins = ["fixtures.lab"]'
    assert graded(NOTHING_WRONG).ret == 0
    ran = graded(NOTHING_WRONG, "--grade-output=plain", "--lab=missing.toml", conftest=conftest)
    assert (ran.ret, len(ran.result.errlines)) == (2, 1)
    assert set(results(pytester.path / "reports")) <= {"junit.xml"}


def test_what_cannot_be_collected_leaves_nothing_of_the_run_before(graded: Graded, pytester: pytest.Pytester) -> None:
    assert graded(NOTHING_WRONG).ret == 0
    assert graded(NOTHING_WRONG + "import nowhere\n").ret == 2
    assert set(results(pytester.path / "reports")) <= {"junit.xml"}


@pytest.mark.parametrize("args", [("--collect-only",), ("--help",), ("--markers",), ("--fixtures",), ("--version",)])
def test_who_only_looks_leaves_the_run_before(graded: Graded, pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    reports = pytester.path / "reports"
    assert graded(NOTHING_WRONG).ret == 0
    before = contents(reports)
    graded(NOTHING_WRONG, *args)
    assert contents(reports) == before


def test_a_second_run_is_refused_before_it_touches_anything(graded: Graded, pytester: pytest.Pytester) -> None:
    reports = pytester.path / "reports"
    graded(CHAIN, *ALLURE)
    before = contents(reports)
    with (reports / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = graded(NOTHING_WRONG, *ALLURE, "--grade-output=plain")
        assert (ran.ret, ran.result.outlines, len(ran.result.errlines)) == (2, [], 1)
        assert ran.result.errlines[0].startswith(
            f"xenlab: {reports}: another run writes there (pid {os.getpid()}, since "
        )
        assert contents(reports) == before
        assert graded(NOTHING_WRONG, *ALLURE, "--reports=beside").ret == 0
        assert contents(reports) == before
    assert {"junit.xml", "allure-results", "grade.json"} <= set(results(pytester.path / "beside"))
    assert graded(NOTHING_WRONG, *ALLURE).ret == 0


def test_junit_and_allure_go_with_the_reports_unless_they_are_told_where(
    graded: Graded, pytester: pytest.Pytester
) -> None:
    (pytester.path / "j.xml").write_text("old")
    graded(CHAIN, *ALLURE, "--reports=there", "--junitxml=j.xml", "--alluredir=a/llure")
    assert {"junit.xml", "allure-results"}.isdisjoint(results(pytester.path / "there"))
    assert "<testsuites" in (pytester.path / "j.xml").read_text()
    first = set((pytester.path / "a" / "llure").glob("*-result.json"))
    assert first
    graded(CHAIN, *ALLURE, "--reports=there", "--alluredir=a/llure")
    assert first < set((pytester.path / "a" / "llure").glob("*-result.json"))
    graded(CHAIN, *ALLURE, "--reports=there", "--alluredir=a/llure", "--clean-alluredir")
    assert first.isdisjoint((pytester.path / "a" / "llure").glob("*-result.json"))
    assert "junit.xml" in results(pytester.path / "there")


def test_a_file_in_place_of_the_folder_ends_the_run_before_it_begins(graded: Graded, pytester: pytest.Pytester) -> None:
    (pytester.path / "reports").write_text("")
    ran = graded(CHAIN, "--grade-output=plain")
    assert (ran.ret, ran.result.outlines) == (3, [])
    assert ran.result.errlines == [f"xenlab: {pytester.path}/reports: Not a directory (choose another --reports)"]
