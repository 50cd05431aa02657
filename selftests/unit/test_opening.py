"""An earlier run that was cut off is told before a lab is opened again."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xenlab.errors import UsageError
from xenlab.lab import custody
from xenlab.lab.custody import Custody, LabFound
from xenlab.lab.found import GuestFound
from xenlab.opening import brought_up, open_lab, refuse_unfinished
from xenlab.testbed.state import LabState, ProcessId

LAB = """
name = "team-7"
[share]
server = "baye"
export = "/srv/private"
mount_point = "/mnt/private"
[[hosts]]
name = "labubuntu"
address = "192.0.2.189"
[[hosts]]
name = "baye"
address = "192.0.2.143"
[[guests]]
name = "guest1"
address = "192.0.2.85"
home = "labubuntu"
config = "/mnt/private/artem/guest1.cfg"
ping_target = "192.0.2.1"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    file = tmp_path / "lab.toml"
    file.write_text(LAB)
    return file


LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def cut_off(text: str, *, acted: bool = True, **facts: object) -> Path:
    """What a run leaves that was killed: its process is no more."""
    run = Custody(run="1a2b3c4d")
    usual = {"began": datetime.now(UTC), "lab_name": "elsewhere/lab.toml", "working_copy": "/home/artem/xenlab"}
    guests = {"guest1": GuestFound(host="labubuntu")}
    run.begin(LabFound(run=run.run, process=(2**22 + 1, 1), lab_file=text, guests=guests, **{**usual, **facts}))
    if acted:
        run.will("migrate", guest="guest1", host="labubuntu", to="baye")
    return run.path


def test_a_run_that_was_cut_off_is_to_be_mended_first(lab: Path) -> None:
    path = cut_off(LAB)
    with pytest.raises(UsageError, match=r"run 1a2b3c4d .* was cut off") as refused:
        refuse_unfinished(str(lab), lab.parent)
    assert "./lab mend" in refused.value.hint
    assert path.exists()


@pytest.mark.parametrize("option", ["profile", "network"])
def test_what_belongs_to_the_embedded_lab_is_refused_for_another(option: str, lab: Path) -> None:
    chosen = {"profile": None, "network": None, option: "user"}
    with (
        pytest.raises(UsageError, match=f"--{option} belongs to the embedded lab"),
        open_lab(str(lab), chosen["profile"], lab.parent, network=chosen["network"]),
    ):
        pass


def test_a_lab_that_is_up_with_another_network_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / ".lab").mkdir()
    us = ProcessId.of(os.getpid())
    LabState(tmp_path / ".lab", "classic", network="user", keeper=us, ready=True).save()
    with (
        pytest.raises(UsageError, match="has the network 'user', not 'namespace'"),
        open_lab("embedded", None, tmp_path, network="namespace"),
    ):
        pass


@pytest.mark.parametrize("again", [False, True])
def test_whether_the_embedded_lab_was_brought_up_anew_is_told_by_its_keeper_not_by_a_clock(
    again: bool, tmp_path: Path
) -> None:
    """This machine's clock was set back between `up` and the run: by the times the lab would be the younger one."""
    (tmp_path / ".lab").mkdir()
    ours = ProcessId.of(os.getpid())
    state = LabState(tmp_path / ".lab", "classic", keeper=ours, hosts={"baye": ours}, ready=True)
    state.save()
    up = brought_up("embedded", tmp_path)
    path = cut_off("", lab_name="embedded", working_copy=str(tmp_path), up=f"{up}0" if again else up, began=LONG_AGO)
    if again:
        refuse_unfinished("embedded", tmp_path)
    else:
        with pytest.raises(UsageError, match="was cut off"):
            refuse_unfinished("embedded", tmp_path)
    assert path.exists() is not again


def test_one_that_did_nothing_is_forgotten(lab: Path) -> None:
    path = cut_off(LAB, acted=False)
    refuse_unfinished(str(lab), lab.parent)
    assert not path.exists()


@pytest.mark.parametrize(
    "text", [LAB.replace("192.0.2", "198.51.100"), 'name = "team-7"\n', "not TOML", 'hosts = "x"\n']
)
def test_another_labs_run_is_left_alone(lab: Path, text: str) -> None:
    path = cut_off(text)
    refuse_unfinished(str(lab), lab.parent)
    assert path.exists()
    assert [found.run for found, _ in custody.unfinished()] == ["1a2b3c4d"]
