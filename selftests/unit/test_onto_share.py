"""A config led to the share: only its paths change, its layout stays, and nobody's file is in the way."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from madeuplooks import GUEST, config_look, holds
from paths import DATA

from xenlab.errors import UsageError
from xenlab.lab.judging.config import only_paths_changed
from xenlab.xen.cfg import parse_config
from xenlab.xen.changes import compare
from xenlab.xen.disk import parse_disk
from xenlab.xen.modernising import modernise, without_prefix
from xenlab.xen.onto_share import OntoShare, onto_share

ORIGINAL = (DATA / "report_guest1_original.cfg").read_text("utf-8")
SHARE = "/mnt/private/artem"


def led(text: str, share: str = SHARE, *, with_type: bool = False) -> OntoShare:
    """What becomes of a config, whose files then all lie on the share, and where nothing but paths changed."""
    fixed = onto_share(text, share, with_type=with_type)
    before, after = parse_config(fixed.before), parse_config(fixed.text)
    assert {change.kind for change in compare(before, after)} <= {"path", "deprecated-key"}
    assert all(entry.path.startswith(f"{share}/") for entry in after.paths() if not entry.via)
    again = onto_share(fixed.text, share, with_type=with_type)
    assert (again.text, again.copies) == (fixed.text, ())
    return fixed


def test_the_reports_config_is_fixed_as_it_should_have_been() -> None:
    fixed = led(ORIGINAL)
    assert fixed.text == (
        'name="guest1"\nvcpus=1\nmemory=1024\nbuilder="pv"\n'
        "disk = ['/mnt/private/artem/UbuntuXen.img,raw,xvda1,w', '/mnt/private/artem/UbuntuXen.swap,raw,xvda2,w']\n"
        'kernel="/mnt/private/artem/vmlinuz-5.3.0-28-generic"\n'
        'ramdisk="/mnt/private/artem/initrd.img-5.3.0-28-generic"\n'
        "root=\"/dev/xvda1 rw\"\nvif = [ '' ]\nextra='xencons=tty'\n"
    )
    assert [(copy.keys, copy.old) for copy in fixed.copies] == [
        (("kernel",), "/boot/vmlinuz-5.3.0-28-generic"),
        (("ramdisk",), "/boot/initrd.img-5.3.0-28-generic"),
        (("disk[xvda1]",), "/home/artem/UbuntuXen.img"),
        (("disk[xvda2]",), "/home/artem/UbuntuXen.swap"),
    ]
    assert fixed.notes == ("builder='pv' is refused since Xen 4.10: type='pv' says the same (--type writes it so)",)


def test_a_run_would_judge_it_as_it_should_be() -> None:
    fixed = led(ORIGINAL, with_type=True).text
    home = replace(config_look(), text=fixed, original=ORIGINAL)
    holds(only_paths_changed(GUEST, home, parse_config(ORIGINAL), parse_config(fixed)), "4 paths", "nothing else")


def test_the_path_that_the_report_left_outside_its_folder_is_led_there() -> None:
    fixed = led((DATA / "report_guest1_fixed.cfg").read_text("utf-8"))
    assert [copy.old for copy in fixed.copies] == [
        "/mnt/private/vmlinuz-5.3.0-28-generic",
        "/mnt/private/initrd.img-5.3.0-28-generic",
    ]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("disk=['/a/x.img,raw,xvda,w']", "disk=['S/x.img,raw,xvda,w']"),
        ("disk=['/a/x.img,,xvda,w']\n", "disk=['S/x.img,,xvda,w']\n"),
        ('disk = [\n  "vdev=xvda,access=w,target=/a/x.img",  # its only one\n]\n', None),
        ("disk = [ 'format=raw, vdev=xvda1, access=w, target=/a/b c.img' ]\n", None),
        ("disk = ['file:/a/x.img,xvda,w']\n", "disk = ['S/x.img,raw,xvda,w']\n"),
        ("disk = ['qcow2:/a/x.img,xvda,r']\n", "disk = ['S/x.img,qcow2,xvda,r']\n"),
        ("disk = ['tap:aio:/a/x.img,hdc:cdrom,r']\n", "disk = ['S/x.img,raw,hdc:cdrom,r']\n"),
        ("disk = ['phy:/dev/vg0/guest1,xvda,w']\n", "disk = ['S/vg0-guest1.img,raw,xvda,w']\n"),
        ("disk = ['/dev/sdb,raw,xvda,w']\n", "disk = ['S/sdb.img,raw,xvda,w']\n"),
        ("disk = [',empty,hdc:cdrom,r', '/a/x,raw,xvda,w']\n", "disk = [',empty,hdc:cdrom,r', 'S/x,raw,xvda,w']\n"),
        ("kernel='/boot/v'\nkernel='/boot/w'\n", "kernel='/boot/v'\nkernel='S/w'\n"),
        ("bootloader='pygrub'\nkernel='/boot/v'\n", "bootloader='pygrub'\nkernel='/boot/v'\n"),
        (
            "disk=['/a/x,raw,xvda,w']\ndisk+=['/b/y,raw,xvdb,w']\n",
            "disk=['S/x,raw,xvda,w']\ndisk+=['S/y,raw,xvdb,w']\n",
        ),
        ("p9=['tag=h,path=/srv/h,security_model=none']\n", "p9=['tag=h,path=S/h,security_model=none']\n"),
        ("kernel='v'; name='g'\n", "kernel='S/v'; name='g'\n"),
        ('# é\nkernel="/b/\u00e9"\n\n\n# "/b/é"\n', '# é\nkernel="S/é"\n\n\n# "/b/é"\n'),
        (f"kernel='{SHARE}/../v'\n", "kernel='S/v'\n"),
        (f"kernel='{SHARE}/sub/v'\n", f"kernel='{SHARE}/sub/v'\n"),
        ("kernel='/boot/v\udce9'\n", "kernel='S/v\udce9'\n"),
    ],
)
def test_layout_and_comments_stay(text: str, after: str | None) -> None:
    expected = text.replace("/a/", "S/") if after is None else after
    assert led(text).text == expected.replace("S/", f"{SHARE}/")


def test_files_of_one_name_are_kept_apart_and_one_file_is_copied_once() -> None:
    text = f"disk=['/a/d.img,raw,xvda,r','/b/d.img,raw,xvdb,w','/a/d.img,raw,xvdc,r','{SHARE}/d-2.img,raw,xvdd,w']\n"
    fixed = led(text)
    assert [(copy.keys, copy.old, copy.new) for copy in fixed.copies] == [
        (("disk[xvda]", "disk[xvdc]"), "/a/d.img", f"{SHARE}/d.img"),
        (("disk[xvdb]",), "/b/d.img", f"{SHARE}/d-3.img"),
    ]


def test_windows_line_ends_are_told_and_gone() -> None:
    fixed = led(ORIGINAL.replace("\n", "\r\n"))
    assert fixed.text == led(ORIGINAL).text
    assert "Windows line ends became those that xl reads (LF)" in fixed.notes


def test_builder_becomes_type_only_when_asked() -> None:
    assert "builder = 'hvm'  # old" in led("builder = 'hvm'  # old\n").text
    assert led("builder = 'hvm'  # old\n", with_type=True).text == "type = 'hvm'  # old\n"
    assert led('builder="generic";name="g"\n', with_type=True).text == 'type="pv";name="g"\n'
    both = "builder='hvm'\ntype='hvm'\n"
    assert led(both, with_type=True).text == both
    assert led(both).notes == ("builder='hvm' may go: type='hvm' says it all",)


def test_what_another_serves_is_left_and_told() -> None:
    fixed = led("disk=['drbd:res0,xvda,w','/a/x,raw,xvdb,w']\n")
    assert "drbd:res0,xvda,w" in fixed.text
    assert fixed.left == ("disk[xvda]: res0 is served by script block-drbd: make an image of it on the share",)


@pytest.mark.parametrize("spec", ["/a,raw,xvda,w", "drbd:r,xvda,w", "nbd:r,xvda,w", "vdev=xvda,target=tap:/a"])
def test_a_disk_without_an_outdated_prefix_is_left_alone(spec: str) -> None:
    assert without_prefix(spec) is None


@pytest.mark.parametrize(
    "spec",
    ["tap:aio:/a,xvda,w", "tap2:vhd:/a,xvda", "file:/a,xvda,r,direct-io-safe", "aio:/a,vdev=xvda,w", "ioemu:/a,hda,w"],
)
def test_without_its_prefix_a_disk_is_the_same(spec: str) -> None:
    after = without_prefix(spec)
    assert after is not None
    old, new = parse_disk(spec), parse_disk(after)
    assert (new.prefixes, new.target, new.format, new.vdev, new.access, new.options) == (
        ((), old.target, old.format, old.vdev, old.access, old.options)
    )


def test_quotes_and_escapes_of_a_disk_stay_right() -> None:
    assert modernise('disk=["file:/a\\"b,xvda,w"]\n') == 'disk=["/a\\"b,raw,xvda,w"]\n'


@pytest.mark.parametrize(
    ("text", "share", "said"),
    [
        (ORIGINAL, "mnt", "no absolute path"),
        (ORIGINAL, "/", "no absolute path"),
        (ORIGINAL, "/mnt/\x1b[2J", "no absolute path"),
        (ORIGINAL, "/mnt/a,b", "cannot stand in the disk"),
        ("name=", SHARE, "config:1:6"),
        ("{}", SHARE, "config:1:1"),
        ("disk=['/a,b,c,d,e']\n", SHARE, "config:1"),
        ("disk=['drbd:/a,xvda,w','/a,raw,xvdb,w']\n", SHARE, "disk[xvda] cannot be led"),
    ],
)
def test_what_cannot_be_is_refused(text: str, share: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        onto_share(text, share)
    assert said in refused.value.message


@pytest.mark.parametrize("old", ["/x/a b$(touch gone)'\".img", "-rf", "$HOME"])
def test_the_copies_commands_copy_and_never_overwrite(tmp_path: Path, old: str) -> None:
    there = tmp_path / "share"
    there.mkdir()
    source = tmp_path / old.strip("/")
    source.parent.mkdir(exist_ok=True)
    source.write_text("disk")
    given = str(source) if old.startswith("/") else old
    text = "kernel = " + '"' + given.replace("\\", "\\\\").replace('"', '\\"') + '"\n'
    (copy,) = onto_share(text, str(there)).copies
    for content in ("disk", "of another"):
        subprocess.run(["sh", "-c", copy.command], cwd=tmp_path, check=True)
        assert Path(copy.new).read_text() == content
        Path(copy.new).write_text("of another")
    assert not (tmp_path / "gone").exists()
    assert [path.name for path in there.iterdir()] == [source.name]
