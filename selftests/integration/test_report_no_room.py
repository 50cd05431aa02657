"""A full disk, or a bound on files: one line, exit 3, and nothing that is there by half."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradedrun import CHAIN, HEAD, LEFT_OUT, LOOKING, Graded
from paths import ROOT

ALLURE = ("-p", "allure_pytest")
NOTHING_WRONG = CHAIN.replace('guest_name != "guest1"', "True")


@pytest.fixture
def small(pytester: pytest.Pytester) -> Iterator[Path]:
    """A reports folder on a disk of 128 KiB."""
    reports = pytester.path / "reports"
    reports.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(reports)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be made by root only")
    yield reports
    subprocess.run(["umount", str(reports)], check=True)


@pytest.mark.parametrize(("size", "first"), [(60_000, "evidence/commands.jsonl"), (10, "report.html")])
def test_a_full_disk_is_one_line_and_no_failure_of_the_lab(graded: Graded, small: Path, size: int, first: str) -> None:
    if size == 10:
        (small / "others.bin").write_bytes(b"x" * 60_000)
    ran = graded(CHAIN, *ALLURE, "--grade-output=plain", conftest=LOOKING.replace("SIZE", str(size)))
    assert ran.ret == 3
    assert ran.result.errlines == []
    (line,) = (line for line in ran.result.outlines if "No space left on device" in line)
    assert line.startswith("not written: ")
    assert "score: 60 of 100, failed" in ran.result.outlines
    assert "Traceback" not in ran.result.stdout.str()
    assert not list(small.rglob("*.part"))
    assert not (small / "gradescope-results.json").exists()
    for path in small.rglob("*.json"):
        json.loads(path.read_text())
    assert first in line or "allure-results" in line


def test_a_bound_on_files_is_told_like_a_full_disk(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_lab=HEAD + NOTHING_WRONG)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "xenlab.grading.plugin", *LEFT_OUT]
    ran = subprocess.run(
        command,
        cwd=pytester.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)),
    )
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "score: 100 of 100, passed" in ran.stdout
    reports = pytester.path / "reports"
    assert f"not written: {reports}/report.html: File too large" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert json.loads((reports / "grade.json").read_text())["verdict"] == "passed"
    assert not any((reports / name).exists() for name in ("report.html", "gradescope-results.json"))
    assert "report: " not in ran.stdout


@pytest.mark.parametrize("output", ["plain", "json"])
def test_a_full_disk_under_the_output_ends_no_run(pytester: pytest.Pytester, output: str) -> None:
    pytester.makepyfile(test_lab=HEAD + NOTHING_WRONG)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-p", "xenlab.grading.plugin", *LEFT_OUT, f"--grade-output={output}"]
    command = [sys.executable, "-m", "pytest", *options]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            command, cwd=pytester.path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ran.returncode == 3
    assert ran.stderr.splitlines()[-1] == "not written: what is shown: No space left on device"
    assert "Traceback" not in ran.stderr
    assert json.loads((pytester.path / "reports" / "grade.json").read_text())["verdict"] == "passed"


def test_json_is_shown_even_where_it_cannot_be_written(
    graded: Graded, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "grade.json":
            raise OSError(122, "Disk quota exceeded")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    ran = graded(NOTHING_WRONG, "--grade-output=json")
    assert (ran.ret, ran.written) == (3, False)
    assert json.loads(ran.result.stdout.str())["verdict"] == "passed"
    assert f"not written: {pytester.path}/reports/grade.json: Disk quota exceeded" in ran.result.errlines


def test_pytest_s_own_words_that_cannot_be_kept_are_told_of_too(
    graded: Graded, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name in ("pytest.txt", "junit.xml"):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    ran = graded(NOTHING_WRONG, "--grade-output=plain")
    assert ran.ret == 3
    assert f"not written: {pytester.path}/reports/junit.xml: No space left on device" in ran.result.outlines
    assert not (pytester.path / "reports" / "gradescope-results.json").exists()
