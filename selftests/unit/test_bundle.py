"""A run's evidence as one thing: sealed, packed, opened again; what was changed, cut off or is hostile is refused."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from xenlab.errors import UsageError
from xenlab.evidence import bundle

FACTS = bundle.RunFacts(guests=("guest1",), steps=("hosts",), alone=False, rubric=False, version="1", suite="abc")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A run's reports, sealed."""
    folder = tmp_path / "reports/evidence"
    (folder / "side").mkdir(parents=True)
    for name in (bundle.TAPE, bundle.COMMANDS, bundle.LAB, bundle.GRADE, "side/1-log.txt"):
        (folder / name).write_text(f"{name}\n")
    (folder / bundle.RUN).write_text(FACTS.model_dump_json())
    bundle.seal(folder)
    return folder


def packed(evidence: Path) -> Path:
    bundle.pack(evidence, evidence.parent / "evidence.zip")
    return evidence.parent / "evidence.zip"


@pytest.mark.parametrize("of", [packed, lambda evidence: evidence, lambda evidence: evidence.parent])
def test_it_is_opened_as_a_file_a_folder_or_a_runs_reports(evidence: Path, of: Callable[[Path], Path]) -> None:
    with bundle.opened(of(evidence)) as folder:
        assert (folder / "side/1-log.txt").read_text() == "side/1-log.txt\n"
        assert bundle.facts_of(folder) == FACTS


def test_the_file_is_for_its_owner_alone(evidence: Path) -> None:
    assert packed(evidence).stat().st_mode & 0o777 == 0o600


def rewritten(evidence: Path, change: Callable[[Path], object]) -> UsageError:
    change(evidence)
    for path in (evidence, packed(evidence)) if (evidence / bundle.MANIFEST).exists() else (evidence,):
        with pytest.raises(UsageError) as refused, bundle.opened(path):
            pass
    return refused.value


def test_one_that_was_changed_is_refused_and_says_where(evidence: Path) -> None:
    assert f"{bundle.TAPE} was changed" in str(rewritten(evidence, lambda at: (at / bundle.TAPE).write_text("x")))


def test_one_with_a_file_too_few_or_too_many_is_refused(evidence: Path) -> None:
    def swap(at: Path) -> None:
        (at / "side/1-log.txt").rename(at / "side/2-log.txt")

    said = str(rewritten(evidence, swap))
    assert "side/1-log.txt is missing" in said
    assert "side/2-log.txt was added" in said


def test_a_manifest_without_a_digest_vouches_for_nothing(evidence: Path) -> None:
    def forget(at: Path) -> None:
        manifest = json.loads((at / bundle.MANIFEST).read_text())
        manifest["files"][bundle.TAPE] = ""
        (at / bundle.MANIFEST).write_text(json.dumps(manifest))

    assert f"{bundle.TAPE} was changed" in str(rewritten(evidence, forget))


def test_one_that_was_cut_off_is_refused_and_says_what_is_there(evidence: Path) -> None:
    refused = rewritten(evidence, lambda at: (at / bundle.MANIFEST).unlink())
    assert "its run was cut off" in str(refused)
    assert "tape.jsonl" in refused.hint


@pytest.mark.parametrize("text", ["{half", "[]", '{"files": 3}', '{"files": {}}', "[" * 50_000])
def test_a_manifest_that_is_none_of_ours_is_refused(evidence: Path, text: str) -> None:
    rewritten(evidence, lambda at: (at / bundle.MANIFEST).write_text(text))


@pytest.mark.parametrize("name", ["", "../out.txt", "/out.txt", "a/../../out.txt", "a\\..\\out.txt"])
def test_nothing_is_unpacked_outside_its_folder(tmp_path: Path, name: str) -> None:
    hostile = tmp_path / "hostile.zip"
    with zipfile.ZipFile(hostile, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    before = set(tmp_path.parent.rglob("out.txt"))
    with pytest.raises(UsageError), bundle.opened(hostile):
        pass
    assert set(tmp_path.parent.rglob("out.txt")) == before


def test_a_file_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}", b"\0" * 30_000_000)
    with pytest.raises(UsageError, match="more than a run writes"), bundle.opened(bomb):
        pass


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"x" * 1000])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.zip").write_bytes(content)
    for path in (tmp_path / "odd.zip", tmp_path / "missing.zip"):
        with pytest.raises(UsageError, match="cannot be read"), bundle.opened(path):
            pass


def test_what_cannot_be_unpacked_is_refused(evidence: Path) -> None:
    path = packed(evidence)
    whole = path.read_bytes()
    begin = whole.index(bundle.TAPE.encode()) + len(bundle.TAPE)
    path.write_bytes(whole[:begin] + b"\xff" * 4 + whole[begin + 4 :])
    with pytest.raises(UsageError, match="cannot be read"), bundle.opened(path):
        pass
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(bundle.TAPE, "x")
    with pytest.raises(UsageError, match="has no place in a bundle"), bundle.opened(path):
        pass


def test_facts_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / bundle.RUN).write_text(json.dumps({"guests": 3}))
    with pytest.raises(UsageError, match="none of ours"):
        bundle.facts_of(tmp_path)


def test_the_suites_digest_is_of_all_that_decides(tmp_path: Path) -> None:
    for folder in ("xenlab/lab", "fixtures", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tests/test_1.py").write_text("a")
    first = bundle.suite_digest(tmp_path)
    (tmp_path / "README.md").write_text("a")
    assert bundle.suite_digest(tmp_path) == first
    (tmp_path / "xenlab/lab/a.py").write_text("a")
    second = bundle.suite_digest(tmp_path)
    (tmp_path / "xenlab/lab/rubric.toml").write_text("a")
    assert len({first, second, bundle.suite_digest(tmp_path)}) == 3
