"""The outside ping against a far end that misbehaves: what it says happened is what did happen."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from xenlab.probes.diagnosis import Cause

FAR_END = Path(__file__).with_name("far_end.py")
ALONE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--net", "--")


def namespaces_allowed() -> bool:
    probe = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    return probe.returncode == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


pytestmark = pytest.mark.skipif(not namespaces_allowed(), reason="no network namespaces, or no /dev/net/tun")


def run(behaviour: str, seconds: float = 1.0, stopped_for: float = 0.0) -> dict[str, Any]:
    argv = [*ALONE, sys.executable, str(FAR_END), behaviour, str(seconds)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr
        assert "pinging" in program.stderr.readline()
        if stopped_for:
            time.sleep(seconds / 4)
            program.send_signal(signal.SIGSTOP)
            time.sleep(stopped_for)
            program.send_signal(signal.SIGCONT)
        out, err = program.communicate(timeout=30)
    assert program.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    seen = found["seen"]
    # Whatever the network does, nothing is counted twice and nothing is left out.
    assert seen["sent"] == seen["received"] + seen["lost"]
    assert (seen["sent"], seen["received"]) == (found["requests"], found["replied"])
    assert (seen["duplicated"], seen["reordered"]) == (found["doubled"], found["overtaken"])
    return found


def test_a_network_that_does_its_work() -> None:
    found = run("well")
    assert found["seen"]["lost"] == 0
    assert found["causes"] == []


def test_scattered_loss() -> None:
    found = run("loss")
    assert found["seen"]["lost"] == found["requests"] // 20 > 2
    assert found["seen"]["gap_resolution"] < 0.1


def test_delay_is_no_loss() -> None:
    found = run("delay")
    assert (found["seen"]["lost"], found["seen"]["reordered"]) == (0, 0)


def test_duplicates() -> None:
    found = run("duplicates")
    assert found["seen"]["duplicated"] == found["requests"] // 10 * 2 > 10
    assert found["causes"] == [Cause.DOUBLED]


def test_a_second_machine_under_the_same_address() -> None:
    found = run("second-machine")
    assert found["seen"]["ttls"] == [63, 64]
    assert found["causes"] == [Cause.TWO_MACHINES]


def test_reordering() -> None:
    found = run("reordering")
    assert found["seen"]["reordered"] > 2
    assert found["seen"]["lost"] == 0


def test_a_mangled_reply_is_no_reply() -> None:
    found = run("mangled")
    assert found["seen"]["lost"] == found["requests"] // 10 > 2


def test_filtered_replies() -> None:
    found = run("filtered")
    assert found["seen"]["received"] == 0
    assert "insufficient" in found["verdict"]
    assert found["causes"] == [Cause.SILENT]


def test_a_missing_route_is_no_loss() -> None:
    found = run("unreachable")
    assert found["seen"]["lost"] == 0
    assert found["seen"]["send_errors"] > 20
    assert found["causes"] == [Cause.NOT_SENT]


def test_a_frozen_pinger_is_not_blamed_on_the_guest() -> None:
    found = run("frozen", seconds=2.0, stopped_for=1.0)
    seen = found["seen"]
    assert seen["lost"] == 0
    assert seen["worst_lateness"] > 0.8
    assert seen["longest_gap"] - seen["gap_resolution"] < 0.02  # none of it is proven to be an outage
    assert "insufficient" in found["verdict"]
    assert found["causes"] == [Cause.STARVED]
