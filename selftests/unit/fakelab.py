"""A lab in memory, for the decisions of `xenlab.lab`: two hosts and a guest whose answers are given.

A host knows a few files and says what it is told to say to everything else; a command nobody expected is
an error of the test. It tells nothing about real hosts: the embedded lab does that.
"""

import json
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field

from xenlab.errors import CannotObserve
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.guest import Guest
from xenlab.lab.share import NfsShare
from xenlab.labfile import GuestSpec, HostSpec, ShareSpec, TimeoutSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands
from xenlab.remote.errors import HostUnreachable, RemoteCommandFailed
from xenlab.remote.result import CommandResult
from xenlab.xen import xl

EXPORT, MOUNT_POINT = "/srv/private", "/mnt/private"
CONFIG, ORIGINAL = f"{MOUNT_POINT}/artem/guest1.cfg", "/home/artem/guest1.cfg"
ADDRESSES = {"labubuntu": "10.1.1.189", "baye": "10.1.1.143", "guest1": "10.1.1.85"}
NOT_FOUND = (127, "", "sh: not found")

Answer = str | tuple[int, str, str] | CannotObserve
BOOT_ID = "5f0e1d5c-3a51-4f8a-9c38-0f2f0f6d8e11"


class FakeRemote:
    """Stands in for RemoteHost: `says` maps an argument vector to its answer, `files` are a disk.

    A list of answers is given one by one, and its last one from then on.
    """

    def __init__(self, name: str, files: MutableMapping[str, str] | None = None) -> None:
        self.name = name
        self.address = ADDRESSES[name]
        self.fingerprint = "SHA256:abc"
        self.way_in = "over SSH, host key SHA256:abc"
        self.files: MutableMapping[str, str] = {} if files is None else files
        self.links: dict[str, str] = {}
        self.says: dict[tuple[str, ...], Answer | list[Answer]] = {}
        self.asked: list[tuple[str, ...]] = []
        self.silent: CannotObserve | None = None

    def run(self, *argv: str, timeout: float | None = None, stdin: str | None = None) -> CommandResult:
        self.asked.append(argv)
        if self.silent:
            raise self.silent
        answer = self.says[argv] if argv in self.says else self._file_answer(argv)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, CannotObserve):
            raise answer
        code, out, err = (0, answer, "") if isinstance(answer, str) else answer
        return CommandResult(code, out, err, 0.1, self.name, " ".join(argv))

    def read_bytes(self, path: str) -> bytes:
        if self._real(path) not in self.files:
            raise RemoteCommandFailed(f"head on {self.name}", actual=f"{path}: No such file or directory")
        return self.files[self._real(path)].encode()

    def close(self) -> None:
        """Nothing is open."""

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        if self.silent:
            raise self.silent

    def _real(self, path: str) -> str:
        for link, target in self.links.items():
            if path == link or path.startswith(f"{link}/"):
                return target + path.removeprefix(link)
        return path

    def _file_answer(self, argv: tuple[str, ...]) -> Answer:
        if len(argv) > 1 and argv == commands.write_nonce(argv[-2], argv[-1]):
            self.files[argv[-2]] = argv[-1] + "\n"
            return ""
        path = self._real(argv[-1])
        text = self.files.get(path)
        if argv == commands.remove(argv[-1]):
            self.files.pop(path, None)
            return ""
        seen = {
            commands.resolve(argv[-1]): path,
            commands.is_file(argv[-1]): "",
            commands.read(argv[-1]): text or "",
            commands.ends_digest(argv[-1]): f"{len(text or '')} {'a' * 64} {'b' * 64}",
        }
        if argv not in seen:
            raise AssertionError(f"{self.name} was asked something unexpected: {argv}")
        return seen[argv] if text is not None else (1, "", f"{argv[-1]}: No such file or directory")


def failed(finding: Finding, *words: str) -> None:
    """It does not hold, says what was seen, and what to do."""
    assert not finding.holds
    assert finding.hint
    for word in words:
        assert word in finding.actual


def xl_list(**domains: str) -> str:
    """What `xl list` prints: each domain with its state, Domain-0 first."""
    rows = {"Domain-0": "r-----", **{name.replace("__", "--"): state for name, state in domains.items()}}
    head = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
    return head + "".join(f"{name:<40} {i:5} 128     1     {rows[name]}       1.0\n" for i, name in enumerate(rows))


def xl_info(*, free: int = 1000, caps: str = "pv hvm hap shadow", version: str = "4.14") -> str:
    major, minor = version.split(".")
    lines = {
        "release": "5.10.0",
        "nr_cpus": 1,
        "hw_caps": "178bfbff:00000000",
        "virt_caps": caps,
        "total_memory": 2000,
        "free_memory": free,
        "xen_major": major,
        "xen_minor": minor,
        "xen_version": f"{version}.5",
        "xen_caps": "xen-3.0-x86_64",
    }
    return "".join(f"{key:<22} : {value}\n" for key, value in lines.items())


def findmnt(source: str, fstype: str, target: str = MOUNT_POINT) -> str:
    return json.dumps({"filesystems": [{"source": source, "fstype": fstype, "target": target, "options": "rw"}]})


def config(folder: str = f"{MOUNT_POINT}/artem", *, memory: int = 128, kind: str = "pv") -> str:
    return (
        f'name="guest1"\nmemory={memory}\ntype="{kind}"\nkernel="{folder}/vmlinuz"\n'
        f"disk = ['tap:aio:{folder}/guest1.img,xvda1,w']\nvif = ['bridge=xenbr0']\n"
    )


@dataclass
class FakeLab:
    """Both hosts on one share, guest1 on its home host; all is as it should be until a test says otherwise."""

    shared: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shared |= {f"{MOUNT_POINT}/artem/{name}": f"{name}'s bytes" for name in ("vmlinuz", "guest1.img")}
        self.shared[CONFIG] = config()
        self.home, self.server = FakeRemote("labubuntu", self.shared), FakeRemote("baye", SeenAtExport(self.shared))
        self.inside = FakeRemote("guest1")
        self.inside.says[commands.boot_id()] = f"{BOOT_ID}\n"
        for remote in (self.home, self.server):
            remote.says[xl.info()] = xl_info()
            remote.says[xl.list_domains()] = xl_list()
            remote.says[commands.loop_devices()] = ""
            remote.says[commands.mounts()] = findmnt("/dev/vda", "ext4", "/")
            remote.says[commands.processes()] = "    1 /sbin/init\n"
            remote.says[commands.names_in(MOUNT_POINT, ".xenlab-nonce-*")] = ""
        self.home.says[xl.list_domains()] = xl_list(guest1="-b----")
        self.home.says[commands.exports()] = NOT_FOUND
        self.home.says[commands.mount_of(MOUNT_POINT)] = findmnt(f"10.1.1.143:{EXPORT}", "nfs4")
        self.server.says[commands.exports()] = f"{EXPORT}  10.1.1.0/24(rw,sync,no_root_squash)\n"
        timeouts = TimeoutSpec(boot_seconds=0.01)
        first, second = (
            Dom0(HostSpec(name=r.name, address=r.address), r, timeouts)  # type: ignore[arg-type]
            for r in (self.home, self.server)
        )
        self.hosts = HostPair(first, second)
        self.share = NfsShare(ShareSpec(server="baye", export=EXPORT, mount_point=MOUNT_POINT), self.hosts)
        spec = GuestSpec(
            name="guest1", address="10.1.1.85", home="labubuntu", config=CONFIG, ping_target="10.1.1.1", swap=True
        )
        self.guest = Guest(spec, self.inside, self.hosts, self.share, timeouts)  # type: ignore[arg-type]

    @property
    def first(self) -> Dom0:
        return self.hosts.both[0]

    @property
    def second(self) -> Dom0:
        return self.hosts.both[1]

    def unreachable(self, remote: FakeRemote) -> None:
        remote.silent = HostUnreachable(f"{remote.name} does not answer")


class SeenAtExport(MutableMapping[str, str]):
    """The server's files: those of the share, which it also has under its export."""

    def __init__(self, shared: dict[str, str]) -> None:
        self.shared = shared

    @staticmethod
    def _key(path: str) -> str:
        return path.replace(EXPORT, MOUNT_POINT, 1) if path.startswith(EXPORT) else path

    def __getitem__(self, path: str) -> str:
        return self.shared[self._key(path)]

    def __setitem__(self, path: str, text: str) -> None:
        self.shared[self._key(path)] = text

    def __delitem__(self, path: str) -> None:
        del self.shared[self._key(path)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shared)

    def __len__(self) -> int:
        return len(self.shared)
