"""The lab sheet as tasks: what is to be done, what is typed for it, and how to see that it is there. Pure data.

What is typed is what the report's authors typed, but for passwords: the embedded hosts' sshd takes keys only.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from xenlab.errors import UsageError
from xenlab.outcomes import Grade, Outcome
from xenlab.scenarios.scenario import LabChange, Scenario
from xenlab.scenarios.shell import done
from xenlab.testbed.plan import CLIENT, EXPORT, GUESTS, HOSTS, MOUNT_POINT, SERVER, GuestPlan, HostPlan

_KEY, _KNOWN, _AUTHORIZED = (f"/root/.ssh/{name}" for name in ("id_ed25519", "known_hosts", "authorized_keys"))
_FOR_THE_LAB = "10.1.1.0/24(rw,sync,no_root_squash,no_subtree_check)"


class GuestsMust(Enum):
    """Where guests must be when a task is begun."""

    BE_ANYWHERE = "anywhere"
    BE_OFF = "off"
    BE_OFF_OR_HOME = "off, or running at home"
    RUN_AT_HOME = "running at home"


@dataclass(frozen=True, slots=True)
class Piped:
    """A command on another machine, whose output is read."""

    machine: str
    command: str


@dataclass(frozen=True, slots=True)
class TypedLine(LabChange):
    """One line typed by root on a host, for one `guest` or for the lab; not typed where it `took` before.

    With `reads` both scripts read from stdin what that command prints. `makes` is a file that it writes, and never
    writes over. One that does `start` its guest is typed only where nothing forbids that; after it, and after one that
    does `move` it, the guest must take logins.
    """

    guest: str = ""
    reads: Piped | None = None
    makes: str = ""
    does: Literal["", "start", "move"] = ""

    @property
    def would_write_over(self) -> str:
        """What succeeds where what it `makes` is there already."""
        return f"test -e {self.makes}" if self.makes else "false"

    def __str__(self) -> str:
        """As a terminal shows it: on the host or, where it joins two of them, on the student's own machine."""
        if self.reads is None:
            return f"root@{self.machine}:~# {self.script}"
        to = f"./lab ssh {self.machine} {shlex.quote(self.script)}"
        return f"$ ./lab ssh {self.reads.machine} {self.reads.command} | {to}"


@dataclass(frozen=True, slots=True)
class Task:
    """One step of the lab sheet: its `aim` for the student, and the lines that reach it."""

    step: str
    aim: str
    guests: GuestsMust
    lines: tuple[TypedLine, ...]

    @property
    def is_seen(self) -> bool:
        """Whether a look tells that it is there; else it is an act, of which the lab keeps no trace."""
        return self.guests in (GuestsMust.BE_ANYWHERE, GuestsMust.BE_OFF)

    @property
    def checkpoint(self) -> str:
        """The name under which the lab is kept once it is solved."""
        return checkpoint_after(self.step)

    def lines_for(self, guests: Sequence[str]) -> Iterator[TypedLine]:
        """Those of the lab as a whole, and those of these guests; of all where none is named."""
        return (line for line in self.lines if not line.guest or not guests or line.guest in guests)


# Where it begins


def _originals(guest: GuestPlan) -> LabChange:
    """Nothing is taken away before its original is seen."""
    files = (f"{guest.original_folder}/UbuntuXen.img", f"{guest.original_folder}/UbuntuXen.swap", guest.original_config)
    there = " && ".join(f"test -s {file}" for file in files)
    return done(guest.home.name, there, there)


def _without_keys(host: HostPlan) -> LabChange:
    return done(host.name, f"rm -f {_KEY} {_KEY}.pub {_KNOWN}", f"test ! -e {_KEY} && test ! -e {_KNOWN}")


_SHARED_FOLDERS = " ".join(f"{EXPORT}/{guest.owner}" for guest in GUESTS)

# The NFS server runs on: newly started it would keep NFSv4 clients waiting for its grace period (RFC 8881, 8.4.2).
START = "start"
UNSOLVED = Scenario(
    START,
    "the guests are at home under /home, nothing is shared, and the hosts do not know each other",
    (
        *(_originals(guest) for guest in GUESTS),
        done(CLIENT.name, f"umount {MOUNT_POINT}", f"! mountpoint -q {MOUNT_POINT}"),
        done(
            SERVER.name,
            f"umount {MOUNT_POINT} && sed -i '\\#^{EXPORT} #d' /etc/fstab && "
            f"{{ exportfs -ua; : >/etc/exports; exportfs -f; rm -rf {_SHARED_FOLDERS}; }}",
            f'! mountpoint -q {MOUNT_POINT} && test -z "$(exportfs)" && test -z "$(ls -A {EXPORT})"',
        ),
        *(_without_keys(host) for host in HOSTS),
    ),
    "hosts",
)
"""The lab as a practice begins with it."""


def checkpoint_after(step: str) -> str:
    """The name under which the lab is kept once this step's task is solved, or a practice has begun (START)."""
    return f"after-{step}"


# What is typed


def _acquainted(host: HostPlan, peer: HostPlan) -> Iterator[TypedLine]:
    """Root of the host gets to its peer."""
    yield TypedLine(host.name, f"ssh-keygen -q -t ed25519 -N '' -f {_KEY}", f"test -s {_KEY}.pub")
    yield TypedLine(
        peer.name,
        f"cat >>{_AUTHORIZED}",
        f'read -r key && grep -qxF -e "$key" {_AUTHORIZED}',
        reads=Piped(host.name, f"cat {_KEY}.pub"),
    )
    yield TypedLine(
        host.name,
        f"ssh-keyscan -T 60 -t ed25519 {peer.address} {peer.name} >>{_KNOWN}",
        f"ssh-keygen -F {peer.address} -f {_KNOWN} >/dev/null",
    )


def _moved_onto_share(guest: GuestPlan) -> Iterator[TypedLine]:
    """The guest's files, copied as the report did; its config still has the paths of before."""
    home, folder = guest.home.name, guest.shared_folder
    original = f"{guest.original_folder}/UbuntuXen"
    yield TypedLine(home, f"mkdir -p {folder}", f"test -d {folder}", guest.name)
    yield _copied(guest, f"{original}.img", f"{folder}/{guest.name}.img")
    yield _copied(guest, f"{original}.swap", f"{folder}/{guest.name}.swap")
    if guest.boots_by == "kernel":
        yield _copied(guest, "/boot/vmlinuz-$(uname -r)", f"{folder}/vmlinuz-$(uname -r)")
        yield _copied(guest, "/boot/initrd.img-$(uname -r)", f"{folder}/initrd.img-$(uname -r)")
    config = guest.shared_config
    copy = f"cp {guest.original_config} {config}"
    yield TypedLine(home, copy, f"test -s {config}", guest.name, makes=config)


def _copied(guest: GuestPlan, old: str, new: str) -> TypedLine:
    """Where somebody has moved the file instead, its content is there as well."""
    took = f'test -s {new} && {{ ! test -e {old} || test "$(stat -c %s {old})" = "$(stat -c %s {new})"; }}'
    return TypedLine(guest.home.name, f"cp --sparse=always {old} {new}", took, guest.name, makes=new)


def _paths_fixed(guest: GuestPlan) -> Iterator[TypedLine]:
    """Edited on the client: what the server changes by itself, a client may see a minute later (nfs(5), acregmax).

    Somebody may have copied the config alone.
    """
    yield from _moved_onto_share(guest)
    edits = [f"s#{guest.original_folder}/UbuntuXen#{guest.shared_folder}/{guest.name}#g"]
    edits += [f's#"/boot/#"{guest.shared_folder}/#'] if guest.boots_by == "kernel" else []
    commands = " ".join(f"-e {shlex.quote(edit)}" for edit in edits)
    old = f"-e {guest.original_folder}/ -e '\"/boot/'"
    config = guest.shared_config
    took = f"test -s {config} && ! grep -q {old} {config}"
    yield TypedLine(CLIENT.name, f"sed -i {commands} {config}", took, guest.name)


def _created(guest: GuestPlan, host: HostPlan) -> TypedLine:
    line = f"xl create {guest.shared_config}"
    return TypedLine(host.name, line, f"xl domid {guest.name}", guest.name, does="start")


def _shut_down(guest: GuestPlan, host: HostPlan) -> TypedLine:
    return TypedLine(host.name, f"xl shutdown -w {guest.name}", f"! xl domid {guest.name}", guest.name)


def _migrated(guest: GuestPlan, source: HostPlan, target: HostPlan) -> TypedLine:
    line = f"xl migrate {guest.name} {target.address}"
    return TypedLine(source.name, line, f"! xl domid {guest.name}", guest.name, does="move")


def _moved_paused(guest: GuestPlan, peer: HostPlan) -> Iterator[TypedLine]:
    """The report's way: moved, or refused by Xen; then the guest goes on where it was."""
    home, paused = guest.home, f"xl list {guest.name} | grep -q -e --p---"
    yield TypedLine(home.name, f"xl pause {guest.name}", paused, guest.name)
    line = f"xl migrate {guest.name} {peer.address} || xl unpause {guest.name}"
    yield TypedLine(home.name, line, f"! {{ {paused}; }}", guest.name, does="move")
    # Where Xen has refused, the guest is at home already.
    back = f"ssh {peer.address} xl migrate {guest.name} {home.address}"
    yield TypedLine(home.name, back, f"xl domid {guest.name}", guest.name, does="move")


def _peer(guest: GuestPlan) -> HostPlan:
    return next(host for host in HOSTS if host is not guest.home)


TASKS: tuple[Task, ...] = (
    Task(
        "hosts",
        "let root of each host log in on the other by a key and without a question, as xl migrate does",
        GuestsMust.BE_ANYWHERE,
        (*_acquainted(CLIENT, SERVER), *_acquainted(SERVER, CLIENT)),
    ),
    Task(
        "shared-storage",
        f"have {SERVER.name} export a folder, see it at the same path on both hosts, and copy the guests' files there",
        GuestsMust.BE_OFF,
        (
            TypedLine(
                SERVER.name,
                f"echo '{EXPORT} {_FOR_THE_LAB}' >>/etc/exports && exportfs -ra",
                f"exportfs -v | grep -q '^{EXPORT}[[:space:]]'",
            ),
            TypedLine(SERVER.name, f"mount --bind {EXPORT} {MOUNT_POINT}", f"test {MOUNT_POINT} -ef {EXPORT}"),
            TypedLine(
                CLIENT.name,
                f"mount -t nfs4 -o vers=4.2,retry=0 {SERVER.address}:{EXPORT} {MOUNT_POINT}",
                f"mountpoint -q {MOUNT_POINT}",
            ),
            *(line for guest in GUESTS for line in _moved_onto_share(guest)),
        ),
    ),
    Task(
        "path-fixes",
        "lead every path in each guest's config to the share, and change nothing else",
        GuestsMust.BE_OFF,
        tuple(line for guest in GUESTS for line in _paths_fixed(guest)),
    ),
    Task(
        "boot-from-share",
        "start each guest at home from its config on the share",
        GuestsMust.BE_OFF_OR_HOME,
        tuple(_created(guest, guest.home) for guest in GUESTS),
    ),
    Task(
        "cold-migration",
        "shut each guest down, start it on the other host, and bring it back the same way",
        GuestsMust.RUN_AT_HOME,
        tuple(
            line
            for guest in GUESTS
            for here, there in ((guest.home, _peer(guest)), (_peer(guest), guest.home))
            for line in (_shut_down(guest, here), _created(guest, there))
        ),
    ),
    Task(
        "paused-migration",
        "pause each guest and migrate it, as the report did: Xen moves it, or refuses and leaves it unharmed",
        GuestsMust.RUN_AT_HOME,
        tuple(line for guest in GUESTS for line in _moved_paused(guest, _peer(guest))),
    ),
    Task(
        "live-migration",
        "migrate each guest to the other host and back while it runs and is pinged",
        GuestsMust.RUN_AT_HOME,
        tuple(
            _migrated(guest, source, target)
            for guest in GUESTS
            for source, target in ((guest.home, _peer(guest)), (_peer(guest), guest.home))
        ),
    ),
)
"""The tasks in the sheet's order. Its last step judges a run, and is nobody's task."""

SEEN = tuple(task.step for task in TASKS if task.guests is not GuestsMust.RUN_AT_HOME)
"""The steps of which a run that only reads judges something (`./lab check`)."""


def task_of(step: str) -> Task:
    """The task of that step.

    :raises UsageError: there is none.
    """
    if (found := next((task for task in TASKS if task.step == step), None)) is None:
        raise UsageError(f"no task is called {step!r}", hint=f"they are: {', '.join(task.step for task in TASKS)}")
    return found


def not_there_yet(grade: Grade, steps: Sequence[str] = SEEN) -> Task | None:
    """The first of these tasks that a run which only reads did not find done; None where it found nothing amiss."""
    passed = {step.id for step in grade.steps if step.outcome is Outcome.PASSED}
    return next((task for task in TASKS if task.step in steps and task.step not in passed), None)


def what_is_next(grade: Grade) -> str:
    """After a look at the lab: the task that comes now, and the way out for who is stuck."""
    if (task := not_there_yet(grade)) is not None:
        return f"next: {task.step}: {task.aim} (docs/practice.md); stuck? ./lab solve {task.step}"
    return "next: start the guests and move them (docs/practice.md; stuck? ./lab solve), then ./lab finish"
