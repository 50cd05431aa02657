"""Whether a guest may be started (H1): red for each second writer, green beside all that is none."""

import pytest
from test_places import RUNS, look, unseen

from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.judging.start import not_to_be_read, refusal
from xenlab.lab.looks import DomainsLook, Unknown
from xenlab.remote.filesystems import FileFact, Mount, parse_mountinfo
from xenlab.xen.cfg import parse_config
from xenlab.xen.xenstore import BackendDisk, StoredDomain

IMAGE, ISO = "/mnt/private/artem/guest1.img", "/mnt/private/debian.iso"
OURS = FileFact(IMAGE, IMAGE, inode=7, size=9, device=0x20, is_regular=True, export=("10.1.1.143", "/srv/private"))
CONFIG = f'name="guest1"\ndisk = ["{IMAGE},raw,xvda1,w"]\n'
MOUNTS = parse_mountinfo("25 1 254:0 / / rw - ext4 /dev/vda rw\n")


def at(path: str, inode: int = 8, device: int = 0x20, **more: object) -> FileFact:
    return FileFact(path, path, inode=inode, size=9, device=device, is_regular=True, **more)  # type: ignore[arg-type]


def host(
    name: str = "labubuntu",
    *domains: tuple[str, str, str],
    files: tuple[FileFact, ...] | Unknown = (OURS,),
    attached: tuple[FileFact, ...] | Unknown = (),
    mounts: tuple[Mount, ...] | Unknown = MOUNTS,
) -> DomainsLook:
    """A host with these domains: name, disk, mode."""
    seen = look(name, **{domain.replace("--", "__"): RUNS for domain, _, _ in domains})
    stored = [StoredDomain(0, "Domain-0")]
    stored += [
        StoredDomain(id_, domain, (BackendDisk(disk, "xvda1", mode),))
        for id_, (domain, disk, mode) in enumerate(domains, 1)
    ]
    return DomainsLook(name, seen.ids, 0.0, seen.rows, tuple(stored), {}, files, attached, mounts)


def refused(*looks: DomainsLook, config: str = CONFIG) -> XenlabError | None:
    return refusal("guest1", parse_config(config), "/mnt/private/artem/guest1.cfg", looks)


def test_a_guest_that_is_off_may_be_started() -> None:
    assert refused(host(), host("baye")) is None


# A fault of the lab


@pytest.mark.parametrize(("line", "said"), [('name="artem-guest1"', "artem-guest1"), ("memory=128", "no name")])
def test_the_configs_name_must_be_the_lab_files(line: str, said: str) -> None:
    fault = refused(host(), host("baye"), config=CONFIG.replace('name="guest1"', line))
    assert isinstance(fault, LabFault)
    assert said in fault.actual
    assert 'write name = "guest1"' in fault.hint
    assert ("or call the guest" in fault.hint) == ("artem" in said)
    assert fault.evidence == ("cmd-labubuntu", "cmd-baye")


@pytest.mark.parametrize("name", ["guest1", "guest1--incoming", "guest1--migratedaway"])
@pytest.mark.parametrize("where", ["labubuntu", "baye"])
def test_what_is_anywhere_even_in_half_is_not_started(name: str, where: str) -> None:
    looks = [host(one, *([(name, IMAGE, "w")] if one == where else [])) for one in ("labubuntu", "baye")]
    fault = refused(*looks)
    assert isinstance(fault, LabFault)
    assert where in fault.actual
    assert "destroy" not in fault.hint


@pytest.mark.parametrize(
    ("target", "fact"),
    [
        (IMAGE, at(IMAGE, 7)),
        (IMAGE, None),  # it came between two questions: the path is enough
        ("/vms/old.img", at("/vms/old.img", 7)),  # a link, a hard link, a bind mount
        ("/mnt/again/guest1.img", at("/mnt/again/guest1.img", 7, 0x29, export=("10.1.1.143", "/srv/private"))),
        ("/dev/loop3", at("/dev/loop3", 99, 5, behind=(at(IMAGE, 7),))),
        ("/dev/mapper/loop3p1", at("/dev/mapper/loop3p1", 98, 5, behind=(at(IMAGE, 7),))),
    ],
)
@pytest.mark.parametrize("where", ["labubuntu", "baye"])
def test_another_domain_has_its_disk(target: str, fact: FileFact | None, where: str) -> None:
    other = host(where, ("artem-guest1", target, "w"), attached=(fact,) if fact else ())
    fault = refused(*(other if one == where else host(one) for one in ("labubuntu", "baye")))
    assert isinstance(fault, LabFault)
    assert (fault.host, fault.guest) == (where, "guest1")
    assert f"artem-guest1 on {where} has {target}" in fault.actual
    assert "destroy" not in fault.hint


def test_a_reader_of_a_disk_that_is_written_is_no_less_wrong() -> None:
    assert isinstance(refused(host("labubuntu", ("backup", IMAGE, "r")), host("baye")), LabFault)


def test_an_image_that_the_host_itself_has_mounted() -> None:
    mounts = parse_mountinfo("25 1 254:0 / / rw - ext4 /dev/vda rw\n90 25 7:3 / /media/g1 rw - ext4 /dev/loop3 rw\n")
    attached = (at("/dev/loop3", 99, 5, behind=(at(IMAGE, 7),)), at("/dev/vda", 98, 5))
    fault = refused(host(), host("baye", attached=attached, mounts=mounts))
    assert isinstance(fault, LabFault)
    assert "the mount at /media/g1 on baye has /dev/loop3" in fault.actual


# A doubt is no fault


@pytest.mark.parametrize("silent", [0, 1])
def test_a_host_that_cannot_be_seen(silent: int) -> None:
    looks = [host(), host("baye")]
    looks[silent] = unseen(looks[silent].host)
    assert isinstance(refused(*looks), CannotObserve)


@pytest.mark.parametrize("part", ["rows", "stored", "migrations", "files", "attached", "mounts"])
def test_a_part_that_cannot_be_read(part: str) -> None:
    whole = host("baye")
    fields = {name: getattr(whole, name) for name in ("rows", "stored", "migrations", "files", "attached", "mounts")}
    half = DomainsLook("baye", whole.ids, 0.0, **{**fields, part: Unknown("it hangs")})
    doubt = refused(host(), half)
    assert isinstance(doubt, CannotObserve)
    assert "it hangs" in doubt.message
    assert doubt.hint


@pytest.mark.parametrize("why", ["Stale file handle", "Input/output error", "it was not answered for"])
def test_its_own_disk_cannot_be_looked_at(why: str) -> None:
    doubt = refused(host(), host("baye", files=(FileFact(IMAGE, unseen=why),)))
    assert isinstance(doubt, CannotObserve)
    assert f"{IMAGE} on baye: {why}" in doubt.message


def test_a_loop_device_whose_file_cannot_be_looked_at() -> None:
    attached = (at("/dev/loop3", 99, 5, behind=(FileFact("/x", unseen="Permission denied"),)),)
    assert isinstance(refused(host(), host("baye", ("mail", "/dev/loop3", "w"), attached=attached)), CannotObserve)


@pytest.mark.parametrize("attached", [(), (FileFact("/nas/mail.img", unseen="Stale file handle"),)])
def test_anothers_disk_of_which_nothing_is_known(attached: tuple[FileFact, ...]) -> None:
    doubt = refused(host(), host("baye", ("mail", "/nas/mail.img", "w"), attached=attached))
    assert isinstance(doubt, CannotObserve)
    assert "mail on baye may have its disk: /nas/mail.img" in doubt.message


def test_a_guest_that_only_xenstore_knows_is_no_writer_beside_itself() -> None:
    stored = (StoredDomain(0, "Domain-0"), StoredDomain(4, "guest1", (BackendDisk(IMAGE, "xvda1", "w"),)))
    plain = host("baye", attached=(at(IMAGE, 7),))
    left = DomainsLook("baye", plain.ids, 0.0, plain.rows, stored, {}, plain.files, plain.attached, plain.mounts)
    doubt = refused(host(), left)
    assert isinstance(doubt, CannotObserve)
    assert "disagree on baye" in doubt.message


def test_a_migration_of_it_under_way() -> None:
    moving = look("labubuntu", migrations={7: "xl migrate guest1 baye"})
    assert isinstance(refused(moving, host("baye")), CannotObserve)


# Right labs


@pytest.mark.parametrize(
    ("target", "fact"),
    [
        ("/srv/mail.img", at("/srv/mail.img")),
        ("/srv/mail.img", at("/srv/mail.img", 7, 0xFE00)),  # one inode, another disk
        ("/tank/mail.img", at("/tank/mail.img", 7, 0x2C)),  # one inode, another data set or tmpfs
        ("/mnt/team8/guest1.img", at("/mnt/team8/guest1.img", 7, 0x21, export=("10.1.1.143", "/srv/team8"))),
        ("/mnt/nas/guest1.img", at("/mnt/nas/guest1.img", 7, 0x22, export=("10.1.1.9", "/srv/private"))),
        ("/dev/loop4", at("/dev/loop4", 99, 5, behind=(at("/srv/mail.img"),))),
        ("/dev/vg/mail", at("/dev/vg/mail", 90, 5)),
        ("/srv/deleted.img", FileFact("/srv/deleted.img", missing="No such file or directory")),
        ("pool/mail", None),  # rbd and its like
        ("", None),  # an empty drive
    ],
)
def test_another_domain_with_other_disks(target: str, fact: FileFact | None) -> None:
    other = host("baye", ("mail", target, "w"), attached=(fact,) if fact else ())
    assert refused(host(), other) is None


def test_a_disk_that_both_only_read_may_be_shared() -> None:
    config = CONFIG.replace("]", f', "{ISO},raw,hdc,cdrom,r"]')
    files = (OURS, at(ISO, 70))
    other = host("baye", ("mail", ISO, "r"), files=files, attached=(at(ISO, 70),))
    assert refused(host("labubuntu", files=files), other, config=config) is None
    writer = host("baye", ("mail", ISO, "w"), files=files, attached=(at(ISO, 70),))
    assert isinstance(refused(host("labubuntu", files=files), writer, config=config), LabFault)


def test_what_the_peer_has_not_mounted_is_for_other_steps_to_say() -> None:
    assert refused(host(), host("baye", files=(FileFact(IMAGE, missing="No such file or directory"),))) is None


def test_a_guest_without_disks_has_none_to_lose() -> None:
    config = 'name="guest1"\nkernel="/x"\n'
    unknown = host("baye", ("mail", "/nas/mail.img", "w"), files=())
    assert refused(host("labubuntu", files=()), unknown, config=config) is None


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("cat: /mnt/private/artem/guest1.cfg: No such file or directory", LabFault),
        ("it did not answer in time", CannotObserve),
    ],
)
def test_a_config_that_is_gone_is_a_fault_and_one_that_was_not_seen_is_none(why: str, kind: type[XenlabError]) -> None:
    problem = not_to_be_read("guest1", "/mnt/private/artem/guest1.cfg", host("baye"), Unknown(why))
    assert isinstance(problem, kind)
    assert why in str(problem)
