"""./lab init where something is missing, and on a lab.toml that is there: what is asked for, and what is left alone."""

from pathlib import Path

import pytest
from foundlab import BAYE, GUEST1_MAC, LABUBUNTU, NFS, ROOT_ONLY, FoundLab, told_config
from initcalls import CALL, Init, behind, made, missing, perhaps

from xenlab.cli.main import main
from xenlab.labfile import ShareSpec

# Labs of which something is missing


def test_what_is_missing_is_listed_with_what_to_type_and_nothing_is_written(found_lab: FoundLab, init: Init) -> None:
    found_lab.off()
    said = init(ends=2)
    assert list(missing(said)) == ["guests.guest1.address", "guests.guest2.address"]
    assert f"has its MAC ({GUEST1_MAC})" in missing(said)["guests.guest1.address"]
    last = "next: ./lab init root@10.1.1.189 root@10.1.1.143 --guest guest1=ADDRESS --guest guest2=ADDRESS"
    assert said.splitlines()[-1] == last
    init("--guest", "guest1=10.1.1.85", "--guest", "guest2=lab@10.1.1.86")
    assert [(guest.user, guest.address) for guest in made().guests] == [("root", "10.1.1.85"), ("lab", "10.1.1.86")]


def test_two_guests_with_one_mac_are_not_told_by_it(found_lab: FoundLab, init: Init) -> None:
    found_lab.off()
    twin = told_config("labubuntu", "config").replace("guest1", "twin").replace("/artem/", "/twin/")
    found_lab.share("/twin/twin.cfg", twin)
    found_lab.baye.has("/home/gaspar/twin.cfg", twin.replace("/mnt/private", "/home"))
    found_lab.baye.says("neigh", f"10.1.1.85 dev xenbr0 lladdr {GUEST1_MAC} REACHABLE\n")
    said = init("--guest", "guest2=10.1.1.86", ends=2)
    assert list(missing(said)) == ["guests.guest1.address", "guests.twin.address"]
    assert f"note: guest1 and twin have one MAC, {GUEST1_MAC}" in said


def test_a_link_local_address_is_taken_for_nobodys(found_lab: FoundLab, init: Init) -> None:
    """A name may lead to one (mDNS): each machine has its own device to it."""
    found_lab.off()
    for host in found_lab.hosts.values():
        host.says("neigh", "")
        host.says("getent", "fe80::5 guest1\n")
    said = init("--leave-out", "guest2", ends=2)
    assert list(missing(said)) == ["guests.guest1.address"]
    assert "fe80" not in said


def test_two_configs_of_one_guest_are_told_apart_by_the_disks_it_runs_on(found_lab: FoundLab, init: Init) -> None:
    old = told_config("labubuntu", "config").replace("/artem/", "/old/")
    found_lab.share("/old/guest1.cfg", old)
    init()
    assert made().guests[0].config == "/mnt/private/artem/guest1.cfg"
    Path("lab.toml").unlink()
    found_lab.off()
    addresses = ("--guest", "guest1=10.1.1.85", "--guest", "guest2=10.1.1.86")
    said = init(*addresses, ends=2)
    assert missing(said) == {"guests.guest1.config": "several configs on the share name it"}
    assert perhaps(said) == ["/mnt/private/artem/guest1.cfg", "/mnt/private/old/guest1.cfg"]
    init(*addresses, "--config", "guest1=/mnt/private/old/guest1.cfg")
    assert made().guests[0].config == "/mnt/private/old/guest1.cfg"


def test_a_share_that_is_not_mounted_yet(found_lab: FoundLab, init: Init) -> None:
    found_lab.off()
    for host in found_lab.hosts.values():
        host.has("/proc/self/mountinfo", ROOT_ONLY)
    addresses = ("--guest", "guest1=10.1.1.85", "--guest", "guest2=10.1.1.86")
    said = init(*addresses, ends=2)
    assert missing(said) == {"share": "nobody has it mounted, and no /etc/fstab says where it belongs"}
    assert perhaps(said) == ["baye:/srv/private=MOUNT_POINT"]
    init(*addresses, "--share", "/mnt/private")
    assert made().guests[0].config == "/mnt/private/artem/guest1.cfg"
    Path("lab.toml").unlink()
    found_lab.labubuntu.has("/etc/fstab", "# the share\nbaye:/srv/private /mnt/private nfs4 rw,hard 0 0\n")
    init(*addresses)
    assert behind("mount_point") == "/etc/fstab on labubuntu, where it is not mounted now"


def test_an_automount_is_not_stepped_into(found_lab: FoundLab, init: Init) -> None:
    auto = "90 25 0:60 / /mnt/auto rw shared:9 - autofs /etc/auto.direct rw,fd=6,direct"
    for host in found_lab.hosts.values():
        host.has("/proc/self/mountinfo", f"{ROOT_ONLY}{auto}\n")
        host.says("exportfs", "")
    assert "/mnt/auto is mounted when it is looked into (autofs)" in missing(init(ends=2))["share"]
    assert not [argv for argv, _ in found_lab.ran() if any("/mnt/auto" in word for word in argv)]


@pytest.mark.parametrize(
    ("source", "address", "server"),
    [("nas.lab", "10.1.1.5", "nas.lab"), ("[fd00::5]", "fd00::5", "nas"), ("10.1.1.5", "10.1.1.5", "10.1.1.5")],
)
def test_a_nas_that_is_neither_host_is_named_as_the_server(
    found_lab: FoundLab, init: Init, source: str, address: str, server: str
) -> None:
    for host in found_lab.hosts.values():
        host.says("exportfs", "")
        host.has("/proc/self/mountinfo", ROOT_ONLY)
        host.mounts(NFS.format(point="/mnt/private", source=f"{source}:/vol/private", address=address))
    init()
    assert made().shares == (
        ShareSpec(server=server, address=address, export="/vol/private", mount_point="/mnt/private"),
    )


def test_configs_that_cannot_be_read_are_told(found_lab: FoundLab, init: Init) -> None:
    found_lab.share("/artem/broken.cfg", "name = 'broken'\ndisk = [ 'phy:/dev/x\n")
    found_lab.share("/artem/haproxy.cfg", "global\n    daemon\n")
    said = init()
    assert "/mnt/private/artem/broken.cfg on labubuntu is no config that xl would take" in said
    assert "haproxy" not in said
    assert [guest.name for guest in made().guests] == ["guest1", "guest2"]


def test_folders_of_the_share_that_root_may_not_look_into_are_told(found_lab: FoundLab, init: Init) -> None:
    """As root of a client may not where it is squashed (exports(5)); the server sees them all the same."""
    denied = "find: '/mnt/private/artem': Permission denied"
    found_lab.labubuntu.runs("find", f'#!/bin/sh\necho "{denied}" >&2\nexit 1\n')
    said = init("--home", "guest1=labubuntu")
    assert "note: /mnt/private/artem on labubuntu cannot be read: Permission denied" in said
    assert [guest.config for guest in made().guests] == [
        "/mnt/private/artem/guest1.cfg",
        "/mnt/private/gaspar/guest2.cfg",
    ]


def test_guests_of_others_are_a_remark(found_lab: FoundLab, init: Init) -> None:
    found_lab.baye.also_says("xl", "web                                          7  1024     1     -b----      13.4")
    found_lab.baye.also_says("xenstore-ls", '/local/domain/7/name = "web"')
    said = init()
    assert "note: web runs on baye, and neither its config nor a disk lies on the share: it is left out" in said
    assert "web" not in [guest.name for guest in made().guests]


def test_a_guest_can_be_left_out(found_lab: FoundLab, init: Init) -> None:
    init("--leave-out", "guest2")
    assert [guest.name for guest in made().guests] == ["guest1"]


def test_a_share_without_configs_says_where_there_are_some(found_lab: FoundLab, init: Init) -> None:
    found_lab.off()
    for host, folder in (
        (found_lab.labubuntu, "mnt/private"),
        (found_lab.baye, "mnt/private"),
        (found_lab.baye, "srv/private"),
    ):
        for config in (host.root / folder).rglob("*.cfg"):
            config.unlink()
    said = init(ends=2)
    assert missing(said) == {
        "guests": "no *.cfg that names a guest lies on the share, in /mnt/private or up to two folders below"
    }
    assert perhaps(said) == ["/home/artem/guest1.cfg", "/home/gaspar/guest2.cfg"]


def test_homes_on_a_third_machine_are_not_taken_for_the_share(found_lab: FoundLab, init: Init) -> None:
    """Where the guests have not moved yet, the configs that there are lie elsewhere."""
    found_lab.off()
    for folder in (found_lab.labubuntu.root / "mnt/private", found_lab.baye.root / "mnt/private"):
        for config in (*folder.rglob("*.cfg"), *(found_lab.baye.root / "srv/private").rglob("*.cfg")):
            config.unlink()
    found_lab.labubuntu.mounts(NFS.format(point="/home", source="nas.lab:/homes", address="10.1.1.5"))
    said = init(ends=2)
    assert missing(said) == {"share": "several shares may be meant"}
    assert perhaps(said) == ["baye:/srv/private=/mnt/private", "nas.lab:/homes=/home"]


def test_a_gateway_that_answers_no_ping_is_no_target(found_lab: FoundLab, init: Init) -> None:
    for host in found_lab.hosts.values():
        host.says("ping", "10.1.1.7\n")
    init()
    assert {guest.ping_target for guest in made().guests} == {"10.1.1.7"}
    assert behind("ping_target") == "this call came to labubuntu from there; it answers pings"
    Path("lab.toml").unlink()
    for host in found_lab.hosts.values():
        host.says("ping", "")
    init()
    assert [guest.ping_target for guest in made().guests] == [BAYE, LABUBUNTU]


# Hosts that are none


def test_a_host_without_xen_is_named(found_lab: FoundLab, init: Init) -> None:
    found_lab.baye.lacks("xl")
    said = init(ends=2)
    assert said.splitlines()[-1] == "next: ./lab init root@10.1.1.189 root@10.1.1.143"
    assert "root@10.1.1.143: no Xen host: xl list: " in missing(said)["hosts"]
    assert "No such file" in missing(said)["hosts"]


def test_a_login_without_roots_rights_is_named(found_lab: FoundLab, init: Init) -> None:
    found_lab.labubuntu.is_root = False
    assert missing(init(ends=2))["hosts"].startswith("root@10.1.1.189: its commands run without root's rights")


def test_every_host_that_cannot_be_reached_is_named(found_lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> None:
    found_lab.labubuntu.silent, found_lab.baye.silent = "no answer", "Connection refused"
    assert main(["init", *CALL]) == 3
    said = capsys.readouterr().err
    assert "labubuntu cannot be reached: no answer" in said
    assert "baye cannot be reached: Connection refused" in said
    assert not Path("lab.toml").exists()


def test_one_host_alone_names_who_may_be_the_other(found_lab: FoundLab, init: Init) -> None:
    said = init(ends=2, hosts=CALL[:1])
    assert missing(said)["hosts"] == "a lab has two hosts, and only one was named"
    assert BAYE in perhaps(said)
    assert not found_lab.baye.ran


def test_no_host_at_all(found_lab: FoundLab, init: Init) -> None:
    assert init(ends=2, hosts=()).splitlines()[-1] == "next: ./lab init USER@HOST USER@HOST"


# A lab.toml that is there


def test_a_lab_file_that_is_there_is_never_overwritten(found_lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab.toml").write_text("mine")
    assert main(["init", *CALL]) == 2
    assert (
        capsys.readouterr().err == "xenlab: lab.toml is there already, and is not overwritten (--update adds to it)\n"
    )
    assert Path("lab.toml").read_text() == "mine"
    assert not found_lab.labubuntu.ran


def test_update_adds_what_is_new_and_keeps_all_that_is_there(found_lab: FoundLab, init: Init) -> None:
    init("--leave-out", "guest2")
    text = Path("lab.toml").read_text()
    mine = text.replace('address = "10.1.1.85"', 'address = "10.1.1.77"').replace("[share]", "# our team's\n[share]")
    mine += "\n[probes]\nmax_outside_gap_ms = 900  # agreed on\n"
    Path("lab.toml").write_text(mine)
    Path("lab.toml").chmod(0o640)
    said = init("--update", hosts=())
    now = Path("lab.toml").read_text()
    assert all(line in now.splitlines() for line in mine.splitlines())
    spec = made()
    assert [(guest.name, guest.address) for guest in spec.guests] == [("guest1", "10.1.1.77"), ("guest2", "10.1.1.86")]
    assert spec.probes.max_outside_gap_ms == 900
    assert Path("lab.toml").stat().st_mode & 0o777 == 0o640
    assert said.startswith("lab.toml written: hosts labubuntu, baye; share baye:/srv/private at ")
    assert "lab.toml has it all" in init("--update", hosts=())
    assert Path("lab.toml").read_text() == now


def test_update_says_what_was_seen_otherwise(found_lab: FoundLab, init: Init) -> None:
    init()
    moved = Path("lab.toml").read_text().replace('export = "/srv/private"', 'export = "/srv"')
    Path("lab.toml").write_text(moved)
    said = init("--update", hosts=())
    assert "note: share.export is /srv, and stays so; seen was /srv/private (mounted on labubuntu" in said
    assert Path("lab.toml").read_text() == moved


def test_update_keeps_the_shares_that_are_there_and_tells_of_others(found_lab: FoundLab, init: Init) -> None:
    init()
    one = Path("lab.toml").read_text()
    found_lab.baye.also_says("exportfs", "/srv/second 10.1.1.0/24(rw)")
    guest3 = "# reached at 10.1.1.93\nname='guest3'\ndisk=['/mnt/second/guest3.img,raw,xvda,w']\n"
    for host in found_lab.hosts.values():
        host.mounts(NFS.format(point="/mnt/second", source="10.1.1.143:/srv/second", address=BAYE))
        host.has("/mnt/second/guest3.cfg", guest3)
    said = init("--update", hosts=())
    assert "note: guests' configs lie on baye:/srv/second at /mnt/second, too: write a [[share]] table for each" in said
    assert Path("lab.toml").read_text() == one
    second = '[[share]]\n# of team 8\nserver = "baye"\nmount_point = "/mnt/second"\n'
    Path("lab.toml").write_text(one.replace("[share]", "[[share]]") + second)
    init("--update", "--home", "guest3=baye", hosts=())
    assert "# of team 8" in Path("lab.toml").read_text()
    assert [(share.export, share.mount_point) for share in made().shares] == [
        ("/srv/private", "/mnt/private"),
        ("/srv/second", "/mnt/second"),
    ]
    assert [guest.name for guest in made().guests] == ["guest1", "guest2", "guest3"]


def test_shares_are_not_added_to_one_that_is_written_as_the_only_one(
    found_lab: FoundLab, init: Init, capsys: pytest.CaptureFixture[str]
) -> None:
    init()
    mine = Path("lab.toml").read_text()
    whole = "baye:/srv/second=/mnt/second"
    assert main(["init", "--update", "--share", "/mnt/private", "--share", whole]) == 2
    assert "share is written as the only one: write [[share]] instead of [share]" in capsys.readouterr().err
    assert Path("lab.toml").read_text() == mine
    Path("lab.toml").write_text(mine.replace("[share]", "[[share]]"))
    init("--update", "--share", "/mnt/private", "--share", whole, hosts=())
    assert made().mount_points == ("/mnt/private", "/mnt/second")


def test_update_needs_no_more_than_the_file_lacks(found_lab: FoundLab, init: Init) -> None:
    """A hand-written file with names of its own, of guests that are off: what it says counts as found."""
    found_lab.off()
    Path("lab.toml").write_text(
        f"""
        name = "team-7"
        [[hosts]]
        name = "left"
        address = "{LABUBUNTU}"
        [[hosts]]
        name = "right"
        address = "{BAYE}"
        [[guests]]
        name = "guest1"
        address = "10.1.1.85"
        [[guests]]
        name = "guest2"
        address = "10.1.1.86"
        """
    )
    init("--update", hosts=())
    spec = made()
    assert (spec.name, spec.server) == ("team-7", "right")
    assert [guest.home for guest in spec.guests] == ["left", "right"]


def test_disks_that_are_not_seen_in_time_are_a_note(
    found_lab: FoundLab, init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy host answers late: that it tells of no swap is not that there is none."""
    monkeypatch.setattr("xenlab.discovery.looking._FILES_SECONDS", 2)
    found_lab.labubuntu.runs("stat", "#!/bin/sh\nexec sleep 30\n")
    said = init()
    assert "note: which disks are swap could not be seen on labubuntu: " in said
    assert "note: which disks are swap could not be seen on baye: " not in said
