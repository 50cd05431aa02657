"""Disk specifications; most cases are those of Xen's own check-xl-disk-parse."""

from contextlib import suppress
from time import process_time

import pytest

from xenlab.errors import LabFault
from xenlab.xen.disk import DiskSpec, DiskSyntaxError, parse_disk
from xenlab.xen.vdev import canonical, device_number

VOLUME = DiskSpec("/dev/vg/guest-volume", "raw", "hda", "rw")
ISO = DiskSpec("/root/image.iso", "raw", "hdc", "ro", cdrom=True)
EMPTY = DiskSpec("", "empty", "hdc", "ro", cdrom=True)


def bare(spec: str) -> tuple[object, ...]:
    disk = parse_disk(spec)
    return (disk.target, disk.format, disk.vdev, disk.access, disk.cdrom, disk.script, disk.backendtype)


@pytest.mark.parametrize(
    ("spec", "same_as"),
    [
        ("/dev/vg/guest-volume,,hda", VOLUME),
        ("/dev/vg/guest-volume,raw,hda,rw", VOLUME),
        ("format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume", VOLUME),
        ("/root/image.iso,,hdc,cdrom", ISO),
        ("/root/image.iso,,hdc,,cdrom", ISO),
        ("/root/image.iso,raw,hdc,devtype=cdrom", ISO),
        ("format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso", ISO),
        ("devtype=cdrom,,,hdc", EMPTY),
        (",,hdc:cdrom,r", EMPTY),
        (",hdc:cdrom,r", EMPTY),
        (",empty,hdc:cdrom,r", EMPTY),
        ("vdev=hdc,access=r,devtype=cdrom,target=", EMPTY),
        ("vdev=hdc,access=r,devtype=cdrom", EMPTY),
        (
            "backendtype=phy,vdev=xvdb,access=w,target=/dev/vg/v",
            DiskSpec("/dev/vg/v", "raw", "xvdb", "rw", backendtype="phy"),
        ),
        (
            "discard,vdev=hda,target=/some/disk/image.raw",
            DiskSpec("/some/disk/image.raw", "raw", "hda", "rw", options=("discard",)),
        ),
        (
            "vdev=xvda,access=w,script=block-iscsi,target=iqn.2001-05.com:0-8a,x",
            DiskSpec("iqn.2001-05.com:0-8a,x", "raw", "xvda", "rw", script="block-iscsi"),
        ),
    ],
)
def test_same_as(spec: str, same_as: DiskSpec) -> None:
    assert parse_disk(spec) == same_as


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("tap:aio:/x.img,xvda1,w", ("/x.img", "raw", "xvda1", "rw", False, None, None)),
        ("file:/x.img,xvda1,r", ("/x.img", "raw", "xvda1", "ro", False, None, None)),
        ("phy:/dev/vg/x,xvda", ("/dev/vg/x", "raw", "xvda", "rw", False, None, None)),
        ("tap2:qcow2:/x,xvda,w", ("/x", "qcow2", "xvda", "rw", False, None, None)),
        ("raw:/root/image.iso,hdc:cdrom,ro", ("/root/image.iso", "raw", "hdc", "ro", True, None, None)),
        ("drbd:app01,hda,w", ("app01", "raw", "hda", "rw", False, "block-drbd", None)),
    ],
)
def test_a_deprecated_prefix_leaves_no_place_for_the_format(spec: str, expected: tuple[object, ...]) -> None:
    assert bare(spec) == expected
    assert parse_disk(spec).prefixes


@pytest.mark.parametrize(
    ("spec", "access"),
    [
        ("/x,raw,xvda,w,access=ro", "ro"),
        ("access=ro,/x,raw,xvda,w", "rw"),
        ("access=ro,access=,/x,raw,xvda", "rw"),
        ("/x,raw,xvda,w,devtype=cdrom", "ro"),
        ("/x,raw,xvda,r,cdrom,devtype=disk", "ro"),
    ],
)
def test_the_last_access_counts_but_for_a_cdrom(spec: str, access: str) -> None:
    assert parse_disk(spec).access == access


def test_what_may_be_given_again() -> None:
    assert parse_disk("/x,raw,xvda,w,format=,backendtype=qdisk,backendtype=qdisk").format == "raw"
    assert parse_disk("vdev=,vdev=xvda,script=,script=block-x,target=/x").script == "block-x"
    assert parse_disk("/x,,xvda,discard,no-discard,colo-port=1,colo-port= 27x").options == (
        "colo-port= 27x",
        "no-discard",
    )
    assert parse_disk("/x,,xvda,grant_usage=1,grant_usage=0,trusted").options == ("grant_usage=0", "trusted")


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("zip:7z/x,raw,xvda,w", "zip:7z/x"),
        ("raw:/x,xvda,w=", "/x"),
        ("vdev=xvda,target=/a,b=c,", "/a,b=c"),
        ("target=/x\nvdev=xvda", "/x"),
        (" \n /x y,raw, xvda", "/x y"),
        ("vdev=,target=/x", "/x"),
    ],
)
def test_unusual_but_right_to_xl(spec: str, target: str) -> None:
    disk = parse_disk(spec)
    assert disk.target == spec[slice(*disk.span)] == target


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (("xvda", "d0p0", "51712", "0xca00", "0145000"), 202 << 8),
        (("xvdb2", "d1p2"), 202 << 8 | 1 << 4 | 2),
        (("xvdq", "d16p0", str(1 << 28 | 16 << 8)), 1 << 28 | 16 << 8),
        (("xvda16", "d0p0x10"), 1 << 28 | 16),
        (("xvdtq37", "d536p37"), 1 << 28 | 536 << 8 | 37),
        (("hda", "768"), 3 << 8),
        (("hdb1", "833"), 3 << 8 | 1 << 6 | 1),
        (("hdc63", str(22 << 8 | 63)), 22 << 8 | 63),
        (("sdb3", str(8 << 8 | 16 | 3)), 8 << 8 | 16 | 3),
    ],
)
def test_names_of_the_same_disk(names: tuple[str, ...], number: int) -> None:
    assert {device_number(name) for name in names} == {number}
    assert {canonical(name) for name in names} == {names[0]}


@pytest.mark.parametrize(
    "name",
    ["", "xvd", "xvda0", "xvda256", "hde", "hda64", "sdq", "sda16", "d0", "d0p", "vda", "XVDA", "-1", "4294967296"],
)
def test_names_that_libxl_refuses_stand_for_themselves(name: str) -> None:
    assert device_number(name) is None
    assert canonical(name) == name


def test_numbers_without_a_name_of_their_own() -> None:
    assert canonical("0x10") == "16"
    assert canonical(str(1 << 28)) == str(1 << 28), "xvda's number is another"
    assert canonical(str(3 << 8 | 128)) == str(3 << 8 | 128)


@pytest.mark.parametrize(
    "text", ["discard,", "raw:", "tap:", " ", " \n,", "=", "a:", "tap:\n", "target=\n", "access=r,", "\naccess=r,", "a"]
)
def test_hostile_texts_are_read_or_refused_at_once(text: str) -> None:
    before = process_time()
    with suppress(DiskSyntaxError):
        parse_disk(text * (250_000 // len(text)) + "/x,,xvda")
    assert process_time() - before < 1.5


@pytest.mark.parametrize(
    "spec",
    ["tap:aio:/a/b.img,xvda1,w", "/a/b.img,raw,xvda1", " vdev=xvda1, target=/a/b.img", "x=1"],
)
def test_span_is_the_place_of_the_target(spec: str) -> None:
    if spec == "x=1":
        with pytest.raises(DiskSyntaxError):
            parse_disk(spec)
    else:
        disk = parse_disk(spec)
        assert spec[slice(*disk.span)] == disk.target == "/a/b.img"


def test_only_files_of_this_dom0_are_paths() -> None:
    assert parse_disk("/x,raw,xvda,w").is_path
    assert not parse_disk("drbd:app01,hda,w").is_path
    assert not parse_disk("backend=stor,vdev=xvda,target=/x").is_path
    assert not parse_disk("vdev=hdc,cdrom").is_path


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "no vdev"),
        ("foo", "no vdev"),
        ("vdev=xvda", "no target"),
        ("/x,xvda1,w", "unknown format"),
        ("tap:aio:/x,raw,xvda1,w", "unknown access near 'xvda1'"),
        ("/x,raw,xvda,maybe", "unknown access"),
        ("/x,raw,xvda,w,more", "one parameter too many"),
        ("/x,raw,xvda,w,colour=red", "unknown parameter"),
        ("/x,raw,xvda,devtype=tape", "unknown parameter"),
        ("/x,raw,xvda,w,vdev=xvdb", "vdev given twice"),
        ("zip:/x,xvda,w", "unknown prefix"),
        ("/x,raw,xvda,w,vdev=xvda", "vdev given twice"),
        ("vdev=xvda,target=/x\ntarget=/y", "target given twice"),
        ("/x,raw,xvda,w,format=qcow2", "format given twice"),
        ("/x,raw,fda:floppy,w", "unknown parameter value near 'devtype=floppy'"),
        ("/x,raw,xvda,w,backendtype=file", "unknown backendtype"),
        ("/x,raw,xvda,w,backendtype=phy,backendtype=qdisk", "backendtype given twice"),
        ("/x,raw,xvda,w,specification=x", "unknown specification"),
        ("/x,raw,xvda,w,colo-port=x", "unknown colo-port"),
        ("/x,raw,xvda,w,X=1", "unknown parameter"),
        ("/x,raw,xvda,target=\n", "unknown parameter"),
        ("file:\n/x,xvda,w", "unknown prefix"),
        ("zip:", "unknown prefix"),
    ],
)
def test_what_xl_would_refuse(spec: str, words: str) -> None:
    with pytest.raises(DiskSyntaxError, match=words) as caught:
        parse_disk(spec)
    assert isinstance(caught.value, LabFault)
    assert caught.value.hint
