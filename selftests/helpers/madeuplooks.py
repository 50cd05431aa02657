"""Looks at a right lab of two hosts, to be changed by dataclasses.replace: what the judgements are tried on.

labubuntu is guest1's home and an NFSv4 client, baye exports /srv/private and has it at /mnt/private by a bind mount.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from xenlab.lab.looks import (
    ConfigLook,
    DomainsLook,
    FileIdentity,
    FilesLook,
    HostLook,
    IdentityLook,
    NonceTrip,
    ShareLook,
    Unknown,
)
from xenlab.labfile import GuestSpec, ShareSpec
from xenlab.outcomes import Finding
from xenlab.remote.facts import Cpu
from xenlab.remote.filesystems import FileFact, Mount, Place, parse_mountinfo, place_of
from xenlab.remote.sections import Answer
from xenlab.xen.cfg import XlConfig, parse_config
from xenlab.xen.conf import parse_xl_conf
from xenlab.xen.parsers import DomainRow, parse_info
from xenlab.xen.xenstore import StoredDomain

Places = TypeVar("Places", ShareLook, FilesLook)

HOME, SERVER = "labubuntu", "baye"
HOSTS = (HOME, SERVER)
EXPORT, POINT = "/srv/private", "/mnt/private"
SHARE = ShareSpec(server=SERVER, export=EXPORT, mount_point=POINT)
ADDRESSES = {HOME: {"10.1.1.189", HOME}, SERVER: {"10.1.1.143", SERVER}}
CONFIG_PATH, ORIGINAL_PATH = f"{POINT}/artem/guest1.cfg", "/home/artem/guest1.cfg"
GUEST = GuestSpec(
    name="guest1",
    address="10.1.1.85",
    config=CONFIG_PATH,
    original_config=ORIGINAL_PATH,
    home=HOME,
    ping_target="10.1.1.1",
)

ROOT = "25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw"
NFS = (
    "83 25 0:45 / /mnt/private rw,relatime - nfs4 10.1.1.143:/srv/private "
    "rw,vers=4.2,sec=sys,clientaddr=10.1.1.189,addr=10.1.1.143"
)
BIND = "84 25 254:0 /srv/private /mnt/private rw,noatime - ext4 /dev/vda rw"
MOUNTS = {HOME: (ROOT, NFS), SERVER: (ROOT, BIND)}
DEVICES = {HOME: 45, SERVER: 0xFE00}
OF_NFS = {HOME: ("10.1.1.143", EXPORT), SERVER: None}
EXPORTED = (
    "/srv/private  \t10.1.1.0/24(sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,no_root_squash,no_all_squash)\n"
)

XL_INFO = """\
release                : 5.10.0-30-amd64
nr_cpus                : 4
hw_caps                : 178bfbff:f7fa3223:2c100800:00000121
virt_caps              : pv hvm hvm_directio pv_directio hap shadow
total_memory           : 16000
free_memory            : 8000
xen_major              : 4
xen_minor              : 14
xen_extra              : .6
xen_version            : 4.14.6
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_64
xen_commandline        : placeholder dom0_mem=4096M,max:4096M
"""
FLAGS = frozenset({"fpu", "sse", "sse2", "avx", "aes", "xsave", "rdrand", "pti", "md_clear", "hypervisor"})
CONFIG = """\
name = "guest1"
memory = 1024
type = "pv"
kernel = "{0}/vmlinuz"
ramdisk = "{0}/initrd.img"
disk = [ '{0}/guest1.img,raw,xvda1,w', '{0}/guest1.swap,raw,xvda2,w' ]
vif = [ 'mac=00:16:3e:00:00:85,bridge=xenbr0' ]
"""
FIXED_TEXT, ORIGINAL_TEXT = CONFIG.format(f"{POINT}/artem"), CONFIG.format("/home/artem")
NAMES = ("guest1.img", "guest1.swap", "vmlinuz", "initrd.img")
SIZES = {"guest1.img": 600_000_000, "guest1.swap": 64_000_000, "vmlinuz": 9_146_616, "initrd.img": 39_276_413}


# Both Dom0s


def host_look(name: str = HOME) -> HostLook:
    """A Dom0 that runs Xen 4.14, has the bridge xenbr0 and 8000 MiB free, and gets to its peer."""
    other = SERVER if name == HOME else HOME
    domains = DomainsLook(
        name, (f"cmd-{name}",), 1.0, (row("Domain-0", 0, 4096),), (StoredDomain(0, "Domain-0"),), migrations={}
    )
    return HostLook(
        host=name,
        ids=(f"cmd-{name}",),
        at=1.0,
        fingerprint=f"SHA256:{name}",
        name=name,
        is_root=True,
        console_daemon=True,
        info=parse_info(XL_INFO),
        cpu=Cpu("Intel(R) Xeon(R)", FLAGS, 4),
        xl_conf=parse_xl_conf(""),
        bridges=frozenset({"xenbr0"}),
        switches=frozenset(),
        peer=Answer(0, f"{other}\nxl\n", ""),
        domains=domains,
        mounts=mounts(*MOUNTS[name]),
        loops=(),
        log_lines=(100, 1000),
        configs={ORIGINAL_PATH: ORIGINAL_TEXT} if name == HOME else {},
    )


def row(name: str, domid: int, mib: int, state: str = "r-----") -> DomainRow:
    """A line of `xl list`."""
    return DomainRow(name, domid, mib, 1, state, 10.0)


# The share


def share_look(name: str = HOME) -> ShareLook:
    """One host's side of the share."""
    is_server = name == SERVER
    nobody = Answer(127, "", "timeout: failed to run command 'exportfs': No such file or directory\n")
    point = FileFact(POINT, POINT, 2, 4096, DEVICES[name])
    export = FileFact(EXPORT, EXPORT, 2, 4096, DEVICES[name])
    return ShareLook(
        host=name,
        ids=(f"cmd-share-{name}",),
        at=2.0,
        exports=Answer(0, EXPORTED, "") if is_server else nobody,
        nfsd_threads=8 if is_server else 0,
        entered=Answer(0, f"{POINT}/.\n", ""),
        mounts=mounts(*MOUNTS[name]),
        files=(point, export if is_server else FileFact(EXPORT, EXPORT, missing="No such file or directory")),
    )


def share_looks() -> tuple[ShareLook, ShareLook]:
    """Both sides."""
    return share_look(HOME), share_look(SERVER)


def mounts(*lines: str) -> tuple[Mount, ...]:
    """What these lines of /proc/self/mountinfo tell."""
    return parse_mountinfo("\n".join(lines))


def trip(writer: str = HOME, reader: str = SERVER) -> NonceTrip:
    """A nonce that arrived."""
    ids = (f"cmd-write-{writer}", f"cmd-read-{reader}")
    return NonceTrip(
        writer, reader, f"{POINT}/.xenlab-nonce", "feedbeef" * 4, Answer(0), Answer(0, "feedbeef" * 4 + "\n"), ids
    )


def files_look(name: str = HOME, folder: str = f"{POINT}/artem") -> FilesLook:
    """The mount point, and guest1's config and files in `folder`, as one host sees them."""
    facts = [FileFact(POINT, POINT, 2, 4096, DEVICES[name])]
    facts += [
        FileFact(
            f"{folder}/{file}",
            f"{folder}/{file}",
            100 + number,
            SIZES.get(file, 400),
            DEVICES[name],
            True,
            export=OF_NFS[name],
        )
        for number, file in enumerate((*NAMES, "guest1.cfg"))
    ]
    return FilesLook(name, (f"cmd-files-{name}",), 3.0, tuple(facts), mounts(*MOUNTS[name]))


def files_looks() -> tuple[FilesLook, FilesLook]:
    """Both hosts' view of the files."""
    return files_look(HOME), files_look(SERVER)


def with_file(look: Places, path: str, **changes: object) -> Places:
    """The look with another fact for one path; a path that it did not ask for is added as a file of its own."""
    assert not isinstance(look.files, Unknown)
    if path not in {fact.path for fact in look.files}:
        look = replace(look, files=(*look.files, FileFact(path, path, 999, 1000, 0xFE00, True)))
    assert not isinstance(look.files, Unknown)
    return replace(
        look,
        files=tuple(replace(fact, **changes) if fact.path == path else fact for fact in look.files),  # type: ignore[arg-type]
    )


def with_mounts(look: Places, *lines: str) -> Places:
    """The look with these mounts."""
    return replace(look, mounts=mounts(*lines))


def share_place(look: FilesLook) -> Place:
    """Where the share lies on the host of this look."""
    assert not isinstance(look.mounts, Unknown)
    return place_of(look.mounts, POINT)


# The config


def config_look(name: str = HOME) -> ConfigLook:
    """guest1's config as one host reads it; the original is kept on its home."""
    original = ORIGINAL_TEXT if name == HOME else Unknown("the lab file names no original config")
    return ConfigLook(name, (f"cmd-config-{name}",), 4.0, FIXED_TEXT, original, Answer(0, "{}\n", ""))


def config_looks() -> tuple[ConfigLook, ConfigLook]:
    """Both hosts' reading of it."""
    return config_look(HOME), config_look(SERVER)


def config(text: str = FIXED_TEXT) -> XlConfig:
    """guest1's config, or another text, as xl understands it."""
    return parse_config(text, CONFIG_PATH)


def changed(text: str, **words: str) -> XlConfig:
    """The config with words replaced: changed(FIXED_TEXT, guest1="guest2")."""
    for old, new in words.items():
        text = text.replace(old, new)
    return parse_config(text, CONFIG_PATH)


def identity_look() -> IdentityLook:
    """The originals and their copies on the share, seen from guest1's home."""
    identities: dict[str, FileIdentity | Unknown] = {}
    for folder in ("/home/artem", f"{POINT}/artem"):
        identities |= {f"{folder}/{name}": identity(name) for name in NAMES}
    return IdentityLook(HOME, (f"cmd-identities-{HOME}",), 5.0, identities, frozenset())


def identity(name: str) -> FileIdentity:
    """What the file of that name is."""
    if name == "guest1.img":
        return FileIdentity(SIZES[name], "ext4", "6c0b0e0a-6a1e-4b5f-9d3c-000000000001", "")
    if name == "guest1.swap":
        return FileIdentity(SIZES[name], "swap", "6c0b0e0a-6a1e-4b5f-9d3c-000000000002", "")
    return FileIdentity(SIZES[name], "", "", name[0] * 64)


# What comes of it


def one(findings: Sequence[Finding] | Finding, id_: str, host: str | None = None) -> Finding:
    """The only finding of that id (and host)."""
    every = (findings,) if isinstance(findings, Finding) else tuple(findings)
    fitting = [found for found in every if found.id == id_ and host in (None, found.host)]
    assert len(fitting) == 1, f"{len(fitting)} findings {id_} among {every}"
    return fitting[0]


def holds(finding: Finding, *words: str) -> None:
    """It holds, rests on looks, and says what was seen."""
    assert finding.holds is True, finding
    assert finding.evidence
    said(finding.actual, words)


def fails(finding: Finding, *words: str, hint: str = "") -> None:
    """It is a fault of the lab, says what was seen, and what to do."""
    assert finding.holds is False, finding
    assert finding.evidence
    assert finding.hint
    assert hint in finding.hint, finding.hint
    said(finding.actual, words)
    for dangerous in ("destroy", "umount", "rm ", "kill", "mkfs"):
        assert dangerous not in finding.hint


def undecided(finding: Finding, *words: str) -> None:
    """It could not be told, and says why."""
    assert finding.holds is None, finding
    assert finding.evidence
    said(finding.actual, words)


def said(text: str, words: Sequence[str]) -> None:
    """All these words are in it."""
    assert text
    for word in words:
        assert word in text, text
