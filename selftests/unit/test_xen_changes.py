"""What counts as a change between two configs: meaning, not spelling."""

import pytest
from paths import DATA

from xenlab.xen.cfg import parse_config
from xenlab.xen.changes import ConfigChange, compare
from xenlab.xen.conf import XlConf

ORIGINAL = (DATA / "report_guest1_original.cfg").read_text("utf-8")
FIXED = (DATA / "report_guest1_fixed.cfg").read_text("utf-8")
HVM = "type='hvm'\n"
PYGRUB = "bootloader='pygrub'\n"


def changes(before: str, after: str) -> list[tuple[str, str]]:
    return [(change.key, change.kind) for change in compare(parse_config(before), parse_config(after))]


def test_report_fix_changes_only_paths() -> None:
    changes = compare(parse_config(ORIGINAL), parse_config(FIXED))
    assert {change.kind for change in changes} == {"path"}
    assert {change.key for change in changes} == {"kernel", "ramdisk", "disk[xvda1]", "disk[xvda2]"}


def test_a_builder_that_became_a_type_is_a_deprecated_key() -> None:
    assert compare(parse_config(ORIGINAL), parse_config(ORIGINAL.replace('builder="pv"', 'type="pv"'))) == (
        ConfigChange("builder", "pv", "type=pv", "deprecated-key"),
    )


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("xvda1,w'", "xvda1,r'", "disk[xvda1]"),
        ("xvda2,w'", "xvdb,w'", "disk[xvdb]"),
        ("memory=1024", "memory=2048", "memory"),
        ("vif = [ '' ]", "vif = [ 'bridge=br1' ]", "vif"),
        ('builder="pv"', 'type="pvh"', "builder"),
        ("extra='xencons=tty'\n", "", "extra"),
        ('kernel="/boot/vmlinuz-5.3.0-28-generic"\n', "", "kernel"),
        ("UbuntuXen.img,xvda1,w'", "UbuntuXen.img,xvda1,w', 'qcow2:/x.img,xvdz,w'", "disk[xvdz]"),
    ],
)
def test_anything_but_a_path_is_another_change(old: str, new: str, key: str) -> None:
    assert old in ORIGINAL
    changes = compare(parse_config(ORIGINAL), parse_config(ORIGINAL.replace(old, new)))
    assert (key, "other") in {(change.key, change.kind) for change in changes}


def test_dropping_a_deprecated_prefix_is_its_own_kind() -> None:
    fixed = ORIGINAL.replace("tap:aio:/home/artem/UbuntuXen.img,xvda1,w", "/mnt/x.img,raw,xvda1,rw")
    assert compare(parse_config(ORIGINAL), parse_config(fixed)) == (
        ConfigChange("disk[xvda1]", "/home/artem/UbuntuXen.img", "/mnt/x.img", "path"),
        ConfigChange("disk[xvda1]", "tap:aio:", None, "deprecated-key"),
    )
    assert [c.kind for c in compare(parse_config(fixed), parse_config(ORIGINAL))] == ["path", "other"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("memory=512", "memory=0x200"),
        ("memory=512", "memory='01000'\nmaxmem=512"),
        ("", "type='pv'"),
        ("", "vcpus=1\non_crash='destroy'\non_reboot='restart'\nlocaltime=0\nvif=[]\ntsc_mode='default'"),
        ("vcpus=2", "vcpus=0x2\nmaxvcpus=2"),
        ("localtime=1", "localtime=5"),
        ("tsc_mode=2", "tsc_mode='Native'"),
        ("cpus='0-2'", "cpus='2,0,1'"),
        ("cpus=['0-1','^1,0-2']", "cpus=['0,1','0-2']"),
        ("root='/dev/xvda1 ro'\nextra='quiet'", "cmdline='root=/dev/xvda1 ro quiet'"),
        ("root='/dev/xvda1'", "extra='root=/dev/xvda1'"),
        ("ramdisk=''", ""),
        ("uuid='11111111-2222-3333-4444-55555555555A'", "uuid='1111111122223333444455555555555a'"),
        ("bootloader='/usr/lib/xen-4.14/bin/pygrub'", PYGRUB),
        ("vif=['bridge=xenbr0,mac=00:16:3e:00:00:07']", "vif=[ ' mac=0:16:3E:0:0:7,  bridge=xenbr0,' ]"),
        ("vif=['bridge=br1,bridge=xenbr0']", "vif=['bridge=xenbr0']"),
        ("vif=['netdev=eth1,accel=0,type=netfront']", "vif=['gatewaydev=eth1']"),
        ("vif=['']", "vif=['bridge=xenbr0,script=/etc/xen/scripts/vif-bridge,backend=0,type=vif,trusted']"),
        (HVM + "vif=['']", HVM + "vif=['type=ioemu,model=rtl8139']"),
        ("vfb=['vnc=1,vnclisten=0.0.0.0']", "vfb=['vnclisten=0.0.0.0, vnc=1']"),
        ("channel=['name = x, connection=pty']", "channel=['connection=pty,name=x']"),
        ("disk=['/x,raw,xvda,w']", "disk=['format=raw, vdev=51712, access=rw, discard, target=/x']"),
        ("disk=['/x,,0xca00']", "disk=['/x,raw,d0p0,rw,trusted,no-colo']"),
        ("disk=['/x,raw,xvda,w','/y,raw,xvdb,r']", "disk=['/y,raw,xvdb,ro','/x,raw,xvda,w']"),
        ("disk=['r,raw,xvda,w,script=/etc/xen/scripts/block-drbd']", "disk=['r,raw,xvda,w,script=block-drbd']"),
        (HVM + "firmware='uefi'", HVM + "bios='OVMF'"),
        (HVM + "firmware='bios'", HVM + "bios='seabios'\nstdvga=0"),
        (HVM + "stdvga=1", HVM + "vga='stdvga'"),
        (HVM + "viridian=0\npae=1", HVM),
        ("extra='a b'", "# as before\n  extra = \"a\"; extra += ' b'"),
    ],
)
def test_another_spelling_is_no_change(before: str, after: str) -> None:
    assert changes(before, after) == []
    assert changes(after, before) == []


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("name='a'", "name='b'", "name"),
        ("memory=512", "memory=512\nmaxmem=1024", "maxmem"),
        ("memory=0x200", "memory=0x201", "memory"),
        ("localtime=0", "localtime=1", "localtime"),
        ("tsc_mode=2", "tsc_mode='default'", "tsc_mode"),
        ("cpus='0-2'", "cpus='0-2,^1'", "cpus"),
        ("cpus='0-2'", "cpus='all'", "cpus"),
        ("root='/dev/xvda1'", "root='/dev/xvda2'", "root"),
        ("extra='quiet'", "cmdline='quiet loud'", "cmdline"),
        ("on_crash='destroy'", "on_crash='preserve'", "on_crash"),
        ("", "type='pvh'", "type"),
        ("kernel='/k'", "", "kernel"),
        ("kernel='/k'", f"kernel='/k'\n{PYGRUB}", "bootloader"),
        (PYGRUB + "kernel='/boot/a'", PYGRUB, "kernel"),
        (PYGRUB + "kernel='/boot/a'", PYGRUB + "kernel='/boot/b'", "kernel"),
        (PYGRUB + "disk=['/x,raw,xvda,w','/y,raw,xvdb,w']", PYGRUB + "disk=['/y,raw,xvdb,w','/x,raw,xvda,w']", "disk"),
        (HVM + "kernel='/usr/lib/xen/boot/hvmloader'", HVM + "kernel='/mnt/private/vmlinuz'", "kernel"),
        (HVM + "firmware='/x'", HVM + "firmware='uefi'", "firmware_override"),
        (HVM + "vga='cirrus'", HVM + "vga='qxl'", "vga"),
        ("vif=['']", "vif=['bridge=xenbr1']", "vif"),
        ("vif=['','']", "vif=['']", "vif"),
        ("vif=['script=vif-route']", "vif=['']", "vif"),
        ("vif=['backend=netvm']", "vif=['']", "vif"),
        ("vif=['mac=00:16:3e:00:00:07']", "vif=['mac=00:16:3e:00:00:08']", "vif"),
        ("vif=['rate=1MB/s']", "vif=['']", "vif"),
        ("vif=['bridge=a','bridge=b']", "vif=['bridge=b','bridge=a']", "vif"),
        ("vif=['bridge=xenbr0 ']", "vif=['bridge=xenbr0']", "vif"),
        ("disk=['/x,raw,hda,w']", "disk=['/x,raw,xvda,w']", "disk[xvda]"),
        ("disk=['/x,raw,xvda,w']", "disk=['/x,qcow2,xvda,w']", "disk[xvda]"),
        ("disk=['/x,raw,xvda,w']", "disk=['/x,raw,xvda,w,no-discard']", "disk[xvda]"),
        ("disk=['r,raw,xvda,w,script=block-drbd']", "disk=['s,raw,xvda,w,script=block-drbd']", "disk[xvda]"),
        ("disk=['r,raw,xvda,w,script=block-drbd']", "disk=['/mnt/r,raw,xvda,w']", "disk[xvda]"),
        ("vfb=['vnc=1']", "vfb=['vnc=1,vnclisten=0.0.0.0']", "vfb"),
        ("p9=['tag=a,path=/x']", "p9=['tag=b,path=/x']", "p9"),
        ("p9=['tag=a,path=/x,backend=d']", "p9=['tag=a,path=/y,backend=d']", "p9[a]"),
        ("pci=['01:00.0']", "pci=['01:00.0']\npci_permissive=1", "pci_permissive"),
    ],
)
def test_another_meaning_is_another_change(before: str, after: str, key: str) -> None:
    assert (key, "other") in changes(before, after)
    if key != "disk[xvda]":
        assert "other" in {kind for _, kind in changes(after, before)}


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("kernel='/k'\nramdisk='/r'", "kernel='/mnt/k'\nramdisk='/mnt/r'", {"kernel", "ramdisk"}),
        ("bootloader='/opt/mygrub'", "bootloader='/mnt/mygrub'", {"bootloader"}),
        ("disk=['/x,raw,xvda,w']", "disk=['/mnt/x,,51712']", {"disk[xvda]"}),
        (HVM + "firmware_override='/f'", HVM + "firmware='/mnt/f'", {"firmware_override"}),
        (HVM + "kernel='/vmlinuz'", HVM + "kernel='/mnt/vmlinuz'", {"kernel"}),
        ("device_tree='/a.dtb'", "device_tree='/mnt/a.dtb'", {"device_tree"}),
        ("p9=['tag=a,path=/x']", "p9=['path=/mnt/x, tag = a']", {"p9[a]"}),
        ("type='pvh'\npvshim=1\npvshim_path='/s'", "type='pvh'\npvshim=0x1\npvshim_path='/mnt/s'", {"pvshim_path"}),
    ],
)
def test_another_file_in_the_same_role_is_a_path(before: str, after: str, keys: set[str]) -> None:
    assert changes(before, after) == [(key, "path") for key in sorted(keys)]


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("device_model='/usr/lib/xen/bin/qemu-dm'", "", {"device_model"}),
        ("vncviewer=1\nvif2=['x']\ndhcp='dhcp'", "", {"vncviewer", "vif2", "dhcp"}),
        (HVM + "kernel='/usr/lib/xen/boot/hvmloader'", HVM, {"kernel"}),
        (HVM + "kernel='hvmloader'", HVM + "kernel='/usr/lib/xen-4.14/boot/hvmloader'", {"kernel"}),
        ("builder='hvm'", HVM, {"builder"}),
        ("builder='generic'", "", {"builder"}),
        ("boot='c'\npae=1", "", {"boot", "pae"}),
        (HVM + PYGRUB, HVM, {"bootloader"}),
        ("disk=['file:/x,ioemu:hda,w']", "disk=['/x,raw,hda,w']", {"disk[hda]"}),
        ("disk=['tap:qcow2:/x,xvda,w']", "disk=['/x,qcow2,xvda,w']", {"disk[xvda]"}),
        ("vnclisten='0.0.0.0'\npci_seize=1", "", {"vnclisten", "pci_seize"}),
    ],
)
def test_what_xl_does_nothing_with_is_a_deprecated_key(before: str, after: str, keys: set[str]) -> None:
    assert set(changes(before, after)) == {(key, "deprecated-key") for key in keys}


def test_every_difference_of_a_moved_hvm_guest_is_a_path_or_outdated() -> None:
    before = (DATA / "xl_cfg" / "hvmloader_as_kernel.cfg").read_text("utf-8")
    after = before.replace("builder", "type").replace("/mnt/private/demo/", "/mnt/other/").replace("file:", "")
    after = after.replace("ioemu:hda", "raw,hda").replace('kernel = "/usr/lib/xen/boot/hvmloader"\n', "")
    assert changes(before, after) == [
        ("builder", "deprecated-key"),
        ("kernel", "deprecated-key"),
        ("disk[hda]", "path"),
        ("disk[hda]", "deprecated-key"),
    ]


def test_an_explicit_default_type_memory_in_hexadecimal_and_another_order_leave_one_change() -> None:
    fixed = (DATA / "xl_cfg" / "explicit_type.cfg").read_text("utf-8")
    before = fixed.replace('type = "pv"\n', "").replace("0x200", "512").replace("/mnt/private/demo/", "/home/demo/")
    before = before.replace("mac=00:16:3e:00:00:07, bridge=xenbr0", "bridge=xenbr0,mac=00:16:3e:00:00:07")
    assert changes(before, fixed) == [("disk[xvda]", "path")]


def test_what_an_interface_means_depends_on_the_hosts_xl_conf() -> None:
    before, after = parse_config("vif=['']"), parse_config("vif=['bridge=br0']")
    assert compare(before, after, XlConf(default_bridge="br0")) == ()
    assert [change.key for change in compare(before, after)] == ["vif"]
    routed = XlConf(default_script="vif-route", default_gatewaydev="eth0", default_backend="net")
    explicit = parse_config("vif=['gatewaydev=eth0,backend=net,script=vif-route']")
    assert compare(before, explicit, routed) == ()
    assert compare(before, parse_config("vif=['gatewaydev=eth1,backend=net,script=vif-route']"), routed)
