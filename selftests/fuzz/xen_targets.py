"""The readers of `xenlab.xen` and `xenlab.causes`: configs, and what xl, libxl, xenstore, ssh and NFS write."""

from collections.abc import Callable

from selftests.fuzz import seeds
from selftests.fuzz.target import Target, of_text
from xenlab.causes import disks, explaining, peers, reading, shares
from xenlab.causes.cause import template
from xenlab.causes.dictionary import CAUSES
from xenlab.lab.judging.config import is_readable, xl_accepts
from xenlab.lab.looks import ConfigLook
from xenlab.remote.sections import Answer
from xenlab.xen import logs, messages, numbers, parsers, parts, stages, stamps, vdev, xenstore
from xenlab.xen import peers as acts
from xenlab.xen.cfg import parse_config, rewrite_paths
from xenlab.xen.changes import compare
from xenlab.xen.conf import XlConf, parse_xl_conf
from xenlab.xen.disk import parse_disk
from xenlab.xen.files import ROLES
from xenlab.xen.grammar import LONGEST
from xenlab.xen.p9 import parse_p9
from xenlab.xen.settings import KINDS
from xenlab.xen.vif import VifSyntaxError, parse_vif

_CONFIGS = (*seeds.data("*.cfg"), *seeds.answered("text", "original", "config-0"))
_OTHER = parse_config(seeds.data("report_guest1_original.cfg")[0].decode())
_CONFIG_WORDS = (
    *(f"{key} = " for key in (*KINDS, *ROLES)),
    *(
        '"pvh"',
        '"hvm"',
        '"pygrub"',
        "'/x,raw,xvda1,w'",
        "'tap:aio:/x,hda,r'",
        "'0-3,^1'",
        " += ",
        "\\n",
        "\\101",
        "]",
        "[",
    ),
)
_DISKS = seeds.texts(
    *(
        "/srv/guest1.img,raw,xvda1,w",
        "tap:aio:/home/artem/UbuntuXen.img,xvda1,w",
        "phy:/dev/vg/x,hda,r",
        ",,hdc:cdrom,r",
    ),
    *(
        "format=qcow2, vdev=xvda, access=rw, target=/x,y",
        "script=block-drbd,vdev=d0p0,backend=storage,discard,target=r0",
    ),
)
_DISK_WORDS = (
    *("raw", "qcow2", "vdev=", "target=", "format=", "access=", "backendtype=", "script=", "backend=", "devtype=cdrom"),
    *(
        "tap:",
        "aio:",
        "file:",
        "phy:",
        "iscsi:",
        "cdrom",
        "discard",
        "grant_usage=1",
        "colo-port=",
        ",",
        "=",
        ":",
        "\n",
    ),
)
_END = seeds.texts(
    "==> /var/log/xen/xl-guest1.log <==\nWaiting for domain guest1 (domid 3) to die [pid 1]\n"
    "Domain 3 has shut down, reason code 3 0x3\n"
    "==> /var/log/xen/console/guest-guest1.log <==\n[    1.0] Kernel panic\n",
    "==> /var/log/xen/xl-guest1.log <==\nDomain 3 has been destroyed.\n",
)


def _config(text: str) -> None:
    config = parse_config(text)
    _ = config.paths()
    compare(_OTHER, config)
    compare(config, _OTHER, XlConf(default_bridge="br0"))
    [config.get(key) for key in config.values]


def _config_rewritten(text: str) -> None:
    rewrite_paths(text, {"/home/artem/UbuntuXen.img": "/mnt/private/artem/new.img", "/x": "/mnt/y, and odd.img"})


def _config_judged(text: str) -> None:
    """What a report says of a config that cannot be read, or that xl does not take."""
    look = ConfigLook("baye", (), 0.0, text, text, Answer(1, text, text), XlConf())
    is_readable("guest1", "/x.cfg", (look, look), _OTHER)
    xl_accepts("guest1", "/x.cfg", look)


def _disk(text: str) -> None:
    spec = parse_disk(text)
    assert spec.device or not spec.vdev
    assert text[slice(*spec.span)] == spec.target
    _ = spec.via, spec.is_path


def _vif(text: str) -> None:
    spec = parse_vif(text)
    _ = spec.needs, spec.on(XlConf(default_backend="storage", default_gatewaydev="eth0"))


def _folder(text: str) -> None:
    spec = parse_p9(text)
    assert text[slice(*spec.span)] == (spec.path or "")
    _ = spec.via, parts.named_parts(text), parts.named_parts(text, trimmed=True)


def _vdev(text: str) -> None:
    assert vdev.canonical(vdev.canonical(text)) == vdev.canonical(text)
    _ = vdev.device_number(text), numbers.c_long(text), numbers.c_int_prefix(text)


def _info(text: str) -> None:
    info = parsers.parse_info(text)
    _ = info.series, info.can_live_migrate("pv"), info.can_live_migrate("pvh")


def _rows(text: str) -> None:
    for row in parsers.parse_list(text):
        _ = row.paused, row.leaving, row.alive


def _move(text: str) -> None:
    messages.parse_migration(text)
    messages.parse_migration(messages.without_debugging(text))


def _act(text: str) -> None:
    answer = stamps.read_answer(text)
    placed = stamps.placed(answer, 100.0, 400.0)
    course = stages.course(placed) if placed else None
    _ = [stage.name for stage in course.stages] if course else []


def _domain_end(text: str) -> None:
    logs.domain_end("guest1", text)


def _acts_on(text: str) -> None:
    acts.acts_on(text, "guest1")


def _explained(verb: str, code: int | None) -> Callable[[str], object]:
    return lambda text: str(explaining.explain(verb, code, text, host="labubuntu", peer="baye", guest="guest1"))


def _peer(text: str) -> None:
    said, _, complaints = text.partition("\n--\n")
    for code in (0, 255):
        peers.peer_answer(said, complaints, code, "baye", host="labubuntu")


def _trouble(text: str) -> None:
    disks.disk_trouble(text, ("xvda1", "xvda2"))
    disks.disk_trouble(text, None)


def _templates() -> tuple[str, ...]:
    """The literal pieces of every pattern of the dictionary, on one line but for the last: the longest way to no match.

    The last piece comes first, so that the line is worth a closer look.
    """
    found: dict[str, None] = {}
    for pattern in (pattern for cause in CAUSES for pattern in cause.patterns):
        key = template(pattern).key
        pieces = [piece for piece in pattern.strip("^$").replace("...}", "}").split("}") if piece]
        literals = [piece.partition("{")[0] for piece in pieces]
        if len(literals) > 1:
            repeated = "".join(f"{literal}x" for literal in literals[:-1])
            found[f"{literals[-1]}{repeated * (900 // max(1, len(repeated)))}{key}\n"] = None
            found[f"{key}{''.join(literal * (400 // max(1, len(literal))) for literal in literals[:-1])}\n"] = None
    return tuple(found)


_WORDS = (*seeds.complaints(), *seeds.data("report_xl_migrate*.txt"))
_COMPLAINTS = tuple(pattern for cause in CAUSES for pattern in cause.patterns if "{" not in pattern)

XEN = (
    Target("xl.cfg", of_text(_config), _CONFIGS, words=_CONFIG_WORDS, most=2 * LONGEST),
    Target("xl.cfg, rewritten", of_text(_config_rewritten), _CONFIGS, words=_CONFIG_WORDS, most=2 * LONGEST),
    Target("xl.cfg, judged", of_text(_config_judged), _CONFIGS, words=("vncpasswd", "spicepasswd", '="')),
    Target("disk", of_text(_disk), _DISKS, words=_DISK_WORDS, most=LONGEST),
    Target(
        "vif",
        of_text(_vif),
        seeds.texts(
            "mac=00:16:3e:00:00:07, bridge=xenbr0", "type=ioemu,script=vif-route,ip=10.1.1.85,backend=0,trusted"
        ),
        clean=(VifSyntaxError,),
        words=("mac=", "bridge=", "netdev=", "colo_", "vlan=", "untrusted"),
        most=LONGEST,
    ),
    Target(
        "p9",
        of_text(_folder),
        seeds.texts("tag=home,path=/srv/home,security_model=none"),
        words=("backend=",),
        most=LONGEST,
    ),
    Target("vdev", of_text(_vdev), seeds.texts("xvda1", "hdc", "51712", "0xca00", "d0p0", "sdaa3"), most=LONGEST),
    Target("xl.conf", of_text(parse_xl_conf), seeds.answered("xl-conf"), words=_CONFIG_WORDS, most=2 * LONGEST),
    Target("xl list", of_text(_rows), (*seeds.answered("list"), *seeds.data("report_xl_list*.txt"))),
    Target("xl info", of_text(_info), seeds.answered("info")),
    Target("xl list -l", of_text(parsers.parse_list_long), seeds.answered("details", "dryrun")),
    Target("xenstore", of_text(xenstore.parse_domains), seeds.answered("stored")),
    Target("xl migrate", of_text(_move), (*seeds.data("report_xl_migrate*.txt"), *seeds.complaints())),
    Target("act", of_text(_act), seeds.answered("act"), words=("running\n", "gone\n", "never\n", "-", "12.34 ")),
    Target("logs of a guest", of_text(_domain_end), (*seeds.answered("guest"), *_END)),
    Target(
        "command line of an act",
        of_text(_acts_on),
        seeds.texts("/run/xenlab-0d7ff038/guest1-3 xl -vvv migrate guest1 baye"),
    ),
    Target("words, explained as create", of_text(_explained("create", 1)), _WORDS, words=_COMPLAINTS),
    Target("words, explained as migrate", of_text(_explained("migrate", 1)), _WORDS, words=_COMPLAINTS),
    Target("words, cut off", of_text(_explained("migrate", None)), _WORDS, words=_COMPLAINTS),
    Target("words, read", of_text(reading.find_causes), _WORDS, words=_templates()),
    Target("words, their first error", of_text(reading.first_error_line), _WORDS, words=_COMPLAINTS),
    Target("words of a share", of_text(shares.nfs_trouble), _WORDS, words=_COMPLAINTS),
    Target("answer of a peer", of_text(_peer), (*seeds.answered("peer"), *seeds.complaints())),
    Target("kernel log", of_text(_trouble), (*seeds.answered("log", "kernel"), *seeds.complaints())),
)
