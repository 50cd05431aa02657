"""What runs the hosts: KVM only where the whole lab comes up on it; tried on a played QEMU."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playedqemu import played, said, starts
from rich.console import Console

from xenlab.errors import CannotObserve, UsageError
from xenlab.testbed.accelerator import Accelerator, candidates, first_usable
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.images import Images
from xenlab.testbed.plan import HOSTS
from xenlab.testbed.profiles import profile_named
from xenlab.testbed.progress import Progress
from xenlab.testbed.state import LabState, ProcessId

KVM = Accelerator("kvm", "it works")
TCG = Accelerator("tcg", "KVM does not")


def test_a_refused_kvm_is_not_tried() -> None:
    assert candidates("no /dev/kvm") == (Accelerator("tcg", "no /dev/kvm"),)
    assert [accelerator.name for accelerator in candidates(None)] == ["kvm", "tcg"]


def failing_on(*names: str) -> Callable[[Accelerator], None]:
    def bring_up(accelerator: Accelerator) -> None:
        if accelerator.name in names:
            raise CannotObserve(f"{accelerator.name} hung")

    return bring_up


def test_the_first_that_works_is_taken_in_silence() -> None:
    said: list[str] = []
    assert first_usable((KVM, TCG), failing_on(), said.append) == KVM
    assert said == []


def test_what_the_first_failed_of_is_said_and_noted() -> None:
    said: list[str] = []
    taken = first_usable((KVM, TCG), failing_on("kvm"), said.append)
    assert taken == Accelerator("tcg", "KVM does not: kvm hung")
    assert said == ["emulating: KVM does not: kvm hung"]


def test_the_last_ones_failure_is_the_labs() -> None:
    with pytest.raises(CannotObserve, match=r"^tcg hung$"):
        first_usable((KVM, TCG), failing_on("kvm", "tcg"), lambda _: None)


# The lab on a played QEMU


class Played:
    """A lab whose images are empty files, and all that it said."""

    def __init__(self, folder: Path) -> None:
        self._said = io.StringIO()
        self.images = Images(folder / "modern-1234")
        self.images.folder.mkdir()
        for name in ("id_ed25519", "known_hosts"):
            (self.images.folder / name).touch()
        for host in HOSTS:
            self.images.disk(host.name).write_bytes(b"\0" * 65536)
        self.lab = EmbeddedLab(folder, Console(file=self._said, width=1000))
        self.lab.progress = Progress(self.lab.progress.console, folder / "durations.json")
        self.lab.folder.mkdir()

    @property
    def said(self) -> list[str]:
        return self._said.getvalue().splitlines()

    def start(self, profile: str = "modern", *, cold: bool = False) -> tuple[LabState, list[str]]:
        """Start both hosts and end them; the state they were in, and what QEMU was started for meanwhile."""
        state = LabState(self.lab.folder, profile=profile, images=str(self.images.folder))
        state.sockets = str(self.lab.folder)
        before = len(starts())
        self.lab._start_hosts(state, profile_named(profile), self.images, cold=cold)
        running = [process.alive for process in state.hosts.values()]
        self.lab._stop(state)
        assert running == [True, True]
        return state, starts()[before:]


ON_KVM = ["kvm boot"] * 2 + ["kvm restore"] * 2
EMULATED = ["tcg boot"] * 2 + ["tcg restore"] * 2


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[str], Played]]:
    """A lab on a machine whose KVM has that trouble."""
    if shutil.which("qemu-img") is None:
        pytest.skip("qemu-img is not installed")
    with ExitStack() as stage:

        def machine(trouble: str) -> Played:
            stage.enter_context(played(tmp_path, trouble))
            return Played(tmp_path)

        yield machine


def test_a_kvm_that_bears_the_lab_is_used(play: Callable[[str], Played]) -> None:
    lab = play("")
    state, started = lab.start()
    assert (state.accelerator, started) == ("kvm", ON_KVM)
    assert not any(line.startswith("emulating") for line in lab.said)
    assert lab.start()[1] == ["kvm restore"] * 2


@pytest.mark.parametrize(
    ("trouble", "on_kvm", "why"),
    [
        ("no hvm", 2, "no PVH guests on labubuntu: its virt_caps are pv shadow"),
        ("hangs", 2, "waited 1 s for "),
        ("dies in the restore", 3, "QEMU of labubuntu ended: qemu-system-x86_64: error: failed to set MSR 0x48f"),
    ],
)
def test_a_kvm_that_does_not_bear_it_is_said_once_and_the_hosts_are_emulated(
    trouble: str, on_kvm: int, why: str, play: Callable[[str], Played]
) -> None:
    lab = play(trouble)
    state, started = lab.start()
    assert (state.accelerator, started) == ("tcg", ON_KVM[:on_kvm] + EMULATED)
    assert state.reason.startswith("the lab does not come up on this machine's KVM: ")
    assert why in state.reason
    assert [line for line in lab.said if line.startswith("emulating: ")] == [f"emulating: {state.reason}"]
    again, started = lab.start()
    assert started == ["tcg restore"] * 2, "what failed once is not tried each time"
    assert again.reason == state.reason


def test_booted_anew_kvm_is_tried_anew(play: Callable[[str], Played]) -> None:
    lab = play("no hvm")
    lab.start()
    assert lab.start(cold=True)[1] == ON_KVM[:2] + EMULATED


def test_guests_that_need_no_virtualisation_are_made_without(play: Callable[[str], Played]) -> None:
    """classic's PV guests do without hvm."""
    state, started = play("no hvm").start("classic")
    assert (state.accelerator, started) == ("kvm", ON_KVM)


# Checkpoints


@pytest.mark.parametrize("a_host_dies", [False, True])
def test_a_checkpoint_is_kept_while_both_stand_still_and_gone_back_to_by_new_processes(
    play: Callable[[str], Played], a_host_dies: bool
) -> None:
    played_lab = play("")
    lab, state = played_lab.lab, LabState(played_lab.lab.folder, profile="modern", images=str(played_lab.images.folder))
    state.sockets = str(lab.folder)
    lab._start_hosts(state, profile_named("modern"), played_lab.images, cold=False)
    try:
        state.keeper, state.ready = ProcessId.of(os.getpid()), True
        state.save()
        said().unlink(missing_ok=True)
        lab.keep("before")
        assert said().read_text().split("\n")[:-1] == ["stop"] * 2 + ["savevm before"] * 2 + ["cont"] * 2
        before = lab.state()
        if a_host_dies:
            before.hosts["baye"].kill()
            assert lab.state().wired
            assert not lab.state().running
        lab.go_back("before")
    finally:
        if (after := lab.state()) is not None:
            lab._stop(after)
    assert before
    assert starts()[-2:] == ["kvm restore"] * 2
    assert not any(host.alive for host in before.hosts.values())


def test_without_a_lab_there_is_nothing_to_keep(tmp_path: Path) -> None:
    lab = EmbeddedLab(tmp_path, Console(file=io.StringIO()))
    for act in (lab.keep, lab.go_back):
        with pytest.raises(UsageError, match="no lab is up"):
            act("before")
