"""The outside ping against a far end that misbehaves: what it says happened is what did happen."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from far_end import BEHAVIOURS
from paths import ROOT

from xenlab.probes.diagnosis import PingCause

FAR_END = ROOT / "selftests/helpers/far_end.py"
ALONE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--net", "--")


def namespaces_allowed() -> bool:
    probe = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    return probe.returncode == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


pytestmark = pytest.mark.skipif(not namespaces_allowed(), reason="no network namespaces, or no /dev/net/tun")


Started = "subprocess.Popen[str]"
Found = dict[str, Any]


def start(behaviour: str, seconds: float) -> Started:
    argv = [*ALONE, sys.executable, str(FAR_END), behaviour, str(seconds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(program: Started, on_the_way: int = 0) -> Found:
    """What it saw; so many requests and replies may have been on their way when the link was taken away."""
    out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    found: Found = json.loads(out)
    seen = found["seen"]
    # Whatever the network does, nothing is counted twice and nothing is left out.
    assert seen["sent"] == seen["received"] + seen["lost"]
    assert found["requests"] <= seen["sent"] <= found["requests"] + on_the_way
    assert found["replied"] - on_the_way <= seen["received"] <= found["replied"]
    assert (seen["duplicated"], seen["reordered"]) == (found["doubled"], found["overtaken"])
    return found


@pytest.fixture(scope="module")
def pinging() -> Iterator[dict[str, Started]]:
    """Every network that needs no hand of ours, all at once: each has a namespace of its own, and mostly waits."""
    programs = {name: start(name, 1.0) for name in BEHAVIOURS if name != "frozen"}
    yield programs
    for program in programs.values():
        program.kill()
        program.communicate()


def test_a_network_that_does_its_work(pinging: dict[str, Started]) -> None:
    found = finish(pinging["well"])
    assert found["seen"]["lost"] == 0
    assert found["causes"] == []


def test_scattered_loss(pinging: dict[str, Started]) -> None:
    found = finish(pinging["loss"])
    assert found["seen"]["lost"] == found["requests"] // 20 > 2
    assert found["seen"]["gap_resolution"] < 0.1


def test_delay_is_no_loss(pinging: dict[str, Started]) -> None:
    found = finish(pinging["delay"])
    assert (found["seen"]["lost"], found["seen"]["reordered"]) == (0, 0)


def test_duplicates(pinging: dict[str, Started]) -> None:
    found = finish(pinging["duplicates"])
    assert found["seen"]["duplicated"] == found["requests"] // 10 * 2 > 10
    assert found["causes"] == [PingCause.DOUBLED]


def test_a_second_machine_under_the_same_address(pinging: dict[str, Started]) -> None:
    found = finish(pinging["second-machine"])
    assert found["seen"]["ttls"] == [63, 64]
    assert found["causes"] == [PingCause.TWO_MACHINES]


def test_reordering(pinging: dict[str, Started]) -> None:
    found = finish(pinging["reordering"])
    assert found["seen"]["reordered"] > 2
    assert found["seen"]["lost"] == 0


def test_a_mangled_reply_is_no_reply(pinging: dict[str, Started]) -> None:
    found = finish(pinging["mangled"])
    assert found["seen"]["lost"] == found["requests"] // 10 > 2


def test_filtered_replies(pinging: dict[str, Started]) -> None:
    found = finish(pinging["filtered"])
    assert found["seen"]["received"] == 0
    assert "insufficient" in found["verdict"]
    assert found["causes"] == [PingCause.SILENT]


def test_a_missing_route_is_no_loss(pinging: dict[str, Started]) -> None:
    found = finish(pinging["unreachable"], on_the_way=1)
    assert found["seen"]["lost"] <= 2
    assert found["seen"]["send_errors"] > 20
    assert found["causes"] == [PingCause.NOT_SENT]


def test_a_frozen_pinger_is_not_blamed_on_the_guest() -> None:
    program = start("frozen", 2.0)
    assert program.stderr
    assert "pinging" in program.stderr.readline()
    time.sleep(0.5)
    program.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    program.send_signal(signal.SIGCONT)
    found = finish(program)
    seen = found["seen"]
    assert seen["lost"] == 0
    assert seen["worst_lateness"] > 0.8
    assert seen["longest_gap"] - seen["gap_resolution"] < 0.02  # none of it is proven to be an outage
    assert "insufficient" in found["verdict"]
    assert found["causes"] == [PingCause.STARVED]
