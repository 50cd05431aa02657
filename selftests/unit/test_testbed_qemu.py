"""QEMU's command line for one host. Nothing is started."""

import shutil
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.testbed.accelerator import Accelerator
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.plan import HOSTS, HostPlan
from xenlab.testbed.profiles import PROFILES, profile_named
from xenlab.testbed.qemu import SNAPSHOT, Qemu

TCG = Accelerator("tcg", "for a test")


def qemu(
    folder: Path = Path("/lab"), *, host: HostPlan = HOSTS[0], profile: str = "modern", on: Accelerator = TCG
) -> Qemu:
    images = Images(folder / "images")
    return Qemu(host, profile_named(profile), images, folder, Path("/run/sockets"), on, f"tap,id=net,x={host.name}")


def option(argv: list[str], name: str) -> str:
    """The value of an option that is there once."""
    assert argv.count(name) == 1, name
    return argv[argv.index(name) + 1]


def split(value: str) -> list[str]:
    """An option's value as QEMU takes it apart: a doubled comma is a comma."""
    return [part.replace("\0", ",") for part in value.replace(",,", "\0").split(",")]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_host_has_its_own_disk_network_and_mac(host: HostPlan, profile: str) -> None:
    argv = qemu(host=host, profile=profile).command(restore=None)
    assert option(argv, "-netdev") == f"tap,id=net,x={host.name}"
    assert f"file=/lab/{host.name}.qcow2" in split(option(argv, "-drive"))
    devices = [split(argv[i + 1]) for i, word in enumerate(argv) if word == "-device"]
    nic = next(device for device in devices if device[0].startswith("virtio-net"))
    assert {"netdev=net", f"mac={host.mac}"} <= set(nic)
    assert option(argv, "-m") == str(profile_named(profile).memory_mib)
    assert split(option(argv, "-qmp"))[0] == f"unix:/run/sockets/{host.name}.qmp"


def test_the_nic_has_no_boot_rom() -> None:
    argv = qemu().command(restore=None)
    assert sum(split(word)[-1] == "romfile=" for word in argv) == 1


def test_only_a_restore_loads_the_snapshot() -> None:
    assert "-loadvm" not in qemu().command(restore=None)
    restored = qemu().command(restore=SNAPSHOT)
    assert option(restored, "-loadvm") == SNAPSHOT
    assert [word for word in restored if word not in ("-loadvm", SNAPSHOT)] == qemu().command(restore=None)


@pytest.mark.parametrize("profile", PROFILES)
def test_xen_gets_two_modules_the_kernel_with_its_own_command_line(profile: str) -> None:
    argv = qemu(profile=profile).command(restore=None)
    kernel, initrd = split(option(argv, "-initrd"))
    assert kernel.startswith("vmlinuz root=/dev/vda rw console=hvc0 ")
    assert initrd == "initrd.img"
    assert option(argv, "-kernel") == "/lab/images/xen"
    assert "dom0_mem=768M,max:768M" in option(argv, "-append").split()
    assert "spec-ctrl=eager-fpu=yes" in option(argv, "-append").split()


def test_a_folder_with_a_comma_is_still_one_folder() -> None:
    argv = qemu(Path("/home/a,b/lab")).command(restore=None)
    assert "file=/home/a,b/lab/labubuntu.qcow2" in split(option(argv, "-drive"))
    # Nothing of the path comes near the modules' line, which can quote neither comma nor space.
    assert split(option(argv, "-initrd"))[1] == "initrd.img"


def test_accelerators() -> None:
    emulated = qemu().command(restore=None)
    assert split(option(emulated, "-accel")) == ["tcg", "thread=multi", "tb-size=256"]
    assert {"-smap", "-smep", "-pku", "-la57"} < set(split(option(emulated, "-cpu")))
    virtual = qemu(on=Accelerator("kvm", "")).command(restore=None)
    assert (option(virtual, "-accel"), option(virtual, "-cpu")) == ("kvm", "host")


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_a_disk_that_cannot_be_made_is_told_in_qemus_words(tmp_path: Path) -> None:
    with pytest.raises(CannotObserve, match=r"making the disk of labubuntu failed: .*labubuntu\.img"):
        qemu(tmp_path).create_disk()
