"""A lab file with several shares: what is read, and what is said of what is wrong with one of them."""

import pytest

from xenlab.errors import UsageError
from xenlab.labfile import LabFile, ShareSpec, loads
from xenlab.labfile_change import LabFileChange
from xenlab.tomlfile import dump

ONE = """
name = "team-7"

[share]
server = "baye"
export = "/srv/private"
mount_point = "/mnt/private"

[probes]
max_outside_gap_ms = 20000

[[hosts]]
name = "labubuntu"
address = "10.1.1.189"

[[hosts]]
name = "baye"
address = "10.1.1.143"

[[guests]]
name = "guest1"
config = "/mnt/private/artem/guest1.cfg"
home = "labubuntu"
address = "10.1.1.85"
ping_target = "10.1.1.1"

[[guests]]
name = "guest2"
config = "/mnt/private/gaspar/guest2.cfg"
home = "baye"
address = "10.1.1.86"
ping_target = "10.1.1.1"
"""
SECOND = """[[share]]
server = "nas"
address = "10.1.1.9"
export = "/vol/second"
mount_point = "/mnt/second"

[probes]"""
SEVERAL = (("[share]", "[[share]]"), ("[probes]", SECOND), ("/mnt/private/gaspar", "/mnt/second"))


def read(text: str) -> LabFile:
    return loads(text, "lab.toml")


def several(*changes: tuple[str, str]) -> str:
    """The text of a lab of two shares, with other words."""
    text = ONE
    for old, new in (*SEVERAL, *changes):
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_a_lab_may_have_several_shares() -> None:
    one, lab = read(ONE), read(several())
    assert lab.shares == (
        *one.shares,
        ShareSpec(server="nas", address="10.1.1.9", export="/vol/second", mount_point="/mnt/second"),
    )
    assert (lab.server, lab.mount_points) == ("baye", ("/mnt/private", "/mnt/second"))
    assert lab.guests[1].config == "/mnt/second/guest2.cfg"
    assert dump(lab).count("[[share]]") == 2
    assert read(dump(lab)) == lab
    assert "\n[share]\n" in dump(one)
    assert read(ONE.replace("[share]", "[[share]]")) == one


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "second/guest2",
            "third/guest2",
            "guests.1.config: '/mnt/third/guest2.cfg' is not on any of the shares: it must be below /mnt/private or",
        ),
        (
            '"nas"\naddress = "10.1.1.9"',
            '"nas"',
            "share.1.server: 'nas' is not a host: allowed are labubuntu, baye; of a third",
        ),
        ('"/vol/second"', '"second"', "share.1.export: 'second' is not an absolute path"),
        ('mount_point = "/mnt/second"', "", "share.1.mount_point: is missing and must be given"),
        (
            'export = "/vol',
            'exports = "/vol',
            "share.1.exports: unknown key: allowed are server, address, export, mount_point",
        ),
        (
            't = "/mnt/second"',
            't = "/mnt/private"',
            "share.1.mount_point: /mnt/private is already that of share.0: each needs one of its own",
        ),
        ('t = "/mnt/second"', 't = "//"', "share.1.mount_point: '/' is each host's own"),
        (
            '"nas"\naddress = "10.1.1.9"\nexport = "/vol/second"',
            '"baye"\nexport = "/srv/private"',
            "share.1.export: baye:/srv/private is already share.0: name each share once",
        ),
    ],
)
def test_each_share_is_told_by_its_number(old: str, new: str, line: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read(several((old, new)))
    lines = refusal.value.message.splitlines()
    assert [each for each in lines if each.startswith(f"lab.toml: {line}")], lines


@pytest.mark.parametrize(
    ("point", "config"), [("/mnt/private/second/", "/mnt/private/second"), ("/mnt", "/mnt/second")]
)
def test_a_share_may_be_mounted_within_another(point: str, config: str) -> None:
    lab = read(several(('t = "/mnt/second"', f't = "{point}"'), ('config = "/mnt/second', f'config = "{config}')))
    assert lab.mount_points == ("/mnt/private", point.rstrip("/"))


@pytest.mark.parametrize("written", ["share = []", "share = 1", "share = [1]"])
def test_a_lab_without_a_share_is_refused(written: str) -> None:
    table = ONE[ONE.index("[share]") : ONE.index("[probes]")]
    with pytest.raises(UsageError) as refusal:
        read(ONE.replace(table, "").replace('name = "team-7"', f'name = "team-7"\n{written}'))
    assert refusal.value.message.startswith("lab.toml: share")
    assert len(refusal.value.message.splitlines()) == 1


def test_a_share_is_changed_by_its_mount_point_or_added() -> None:
    lab = read(ONE)
    nas = (LabFileChange("share", "server", "nas"), LabFileChange("share", "address", "10.1.1.9"))
    assert lab.changed(nas).shares[0].address == "10.1.1.9"
    assert lab.changed(nas) == lab.changed(LabFileChange("/mnt/private", c.key, c.value) for c in nas)
    second = (LabFileChange("/mnt/second", "server", "baye"), LabFileChange("/mnt/second", "export", "/srv/second"))
    assert lab.changed(second).shares == (
        *lab.shares,
        ShareSpec(server="baye", export="/srv/second", mount_point="/mnt/second"),
    )
    with pytest.raises(ValueError, match="export"):
        lab.changed(second[:1])
