"""Disk specifications; most cases are those of Xen's own check-xl-disk-parse."""

import pytest

from xenlab.errors import LabFault
from xenlab.xen.disk import DiskSpec, DiskSyntaxError, parse_disk

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
    ],
)
def test_what_xl_would_refuse(spec: str, words: str) -> None:
    with pytest.raises(DiskSyntaxError, match=words) as caught:
        parse_disk(spec)
    assert isinstance(caught.value, LabFault)
    assert caught.value.hint
