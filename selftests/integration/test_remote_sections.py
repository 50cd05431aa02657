"""Several questions in one round trip: asked of this machine's own sh, and taken apart."""

import os
import subprocess
import time

import pytest

from xenlab.remote.sections import Answer, Section, answers, script
from xenlab.remote.shell import TIMEOUT


def asked(*sections: Section, timeout: str = "timeout -k 5") -> dict[str, Answer]:
    """Their answers on a host with that timeout(1)."""
    environ = {**os.environ, TIMEOUT: timeout}
    ran = subprocess.run(script(sections, "n0nce"), capture_output=True, text=True, check=False, env=environ)
    return dict(answers(sections, "n0nce", ran.stdout, ran.stderr))


@pytest.mark.parametrize("timeout", ["timeout -k 5", "timeout", ""])
def test_each_section_has_its_own_answer(timeout: str) -> None:
    found = asked(
        Section("one", ("printf", "no newline at the end")),
        Section("two", ("sh", "-c", "echo out; echo err >&2; exit 7")),
        Section("three", ("cat", "/nonexistent/file")),
        timeout=timeout,
    )
    assert (found["one"].exit_code, found["one"].stdout.strip()) == (0, "no newline at the end")
    assert (found["two"].exit_code, found["two"].stdout.strip(), found["two"].complaint) == (7, "out", "err")
    assert found["three"].complaint.endswith("No such file or directory")


@pytest.mark.parametrize("timeout", ["timeout -k 1", "timeout"])
def test_one_that_hangs_costs_its_own_answer_only(timeout: str) -> None:
    begun = time.monotonic()
    found = asked(Section("hangs", ("sleep", "60"), seconds=1), Section("after", ("echo", "here")), timeout=timeout)
    assert time.monotonic() - begun < 10
    assert found["hangs"].timed_out
    assert found["after"].stdout.strip() == "here"


def test_what_did_not_come_back_is_no_answer() -> None:
    sections = (Section("one", ("true",)), Section("two", ("true",)))
    cut = "\n=n0nce one\nhalf an ans"
    found = answers(sections, "n0nce", cut, "")
    assert found["one"].exit_code is None
    assert found["two"] == Answer(None)
    assert not found["two"].ok


@pytest.mark.parametrize("noise", ["Welcome!\n", "=other one\nx\n=other one=0\n", ""])
def test_noise_of_a_login_shell_is_nobodys_answer(noise: str) -> None:
    sections = (Section("one", ("echo", "hello")),)
    found = answers(sections, "n0nce", f"{noise}\n=n0nce one\nhello\n\n=n0nce one=0\n", noise)
    assert found["one"].stdout.strip() == "hello"
    assert found["one"].ok


def test_arguments_are_quoted() -> None:
    assert asked(Section("odd", ("printf", "%s", "a'b; echo $HOME `id`")))["odd"].stdout.strip() == (
        "a'b; echo $HOME `id`"
    )
