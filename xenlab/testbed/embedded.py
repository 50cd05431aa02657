"""The embedded lab as a whole: up, down, status, and joining it.

Bringing it up always ends in restoring the snapshot of two booted, provisioned hosts; when there is none
for this recipe, QEMU and machine, it is made first by a cold boot.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from rich.console import Console

from xenlab.errors import CannotObserve, UsageError
from xenlab.labfile import LabFile, dump
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Limits, Login
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.testbed import cache, namespace, provision, tools
from xenlab.testbed.accelerator import Accelerator, candidates, first_usable, kvm_refused
from xenlab.testbed.debian import SuiteGone
from xenlab.testbed.images import Images, ensure_images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.plan import GUESTS, HOME, HOSTS, HostPlan
from xenlab.testbed.profiles import DEFAULT_PROFILE, Profile, other_profile, profile_named
from xenlab.testbed.progress import Progress
from xenlab.testbed.qemu import SNAPSHOT, Qemu, qemu_version
from xenlab.testbed.state import LabState, ProcessId

# An emulated Dom0 takes 40-60 s on an idle machine of two cores, several times that on a busy one.
_BOOT_SECONDS = {"tcg": 900.0, "kvm": 120.0}
_RESTORE_SECONDS = 120.0


class EmbeddedLab:
    """The lab of one working copy; its running state lies in the folder `.lab` there."""

    def __init__(self, working_copy: Path, console: Console) -> None:
        self.folder = working_copy / ".lab"
        self.progress = Progress(console, cache.cache_root() / "durations.json")

    @property
    def lab_file(self) -> Path:
        """The lab.toml of the running lab."""
        return self.folder / "lab.toml"

    def state(self) -> LabState | None:
        """What is up, or half up; None when nothing is."""
        return LabState.load(self.folder)

    def running(self) -> LabState:
        """The state of the running lab; raises UsageError when none is up."""
        state = self.state()
        if state is None or not state.running:
            raise UsageError("no lab is up in this working copy", hint="./lab up")
        return state

    def up(self, profile_name: str | None = None, *, cold: bool = False) -> LabState:
        """Bring the lab up and join its namespace; `cold` boots anew instead of restoring a snapshot.

        Where no profile is asked for, the default is taken, or what lasts where its release can no longer be had.

        :raises UsageError: it is up already, or this machine lacks something (named, with the remedy).
        :raises CannotObserve: a build failed or a host did not come up (with its console's last lines).
        """
        profile = profile_named(profile_name or DEFAULT_PROFILE)
        tools.require_programs()
        namespace.require_namespaces()
        self.folder.mkdir(parents=True, exist_ok=True)
        with cache.locked(self.folder / "lock"):
            state = self.state()
            if state and state.running:
                raise UsageError(
                    f"a {state.profile} lab is already up in this working copy",
                    hint="./lab status shows it, ./lab down ends it",
                )
            self._clear()
            profile, images = self._profile_to_be_had(profile, asked=profile_name is not None)
            try:
                return self._bring_up(profile, images, cold=cold)
            except BaseException:
                self._clear()
                raise

    def down(self) -> bool:
        """End the lab and leave nothing of it; returns whether there was anything to end."""
        if not self.folder.exists():
            return False
        with cache.locked(self.folder / "lock"):
            state = self.state()
            self._clear()
        shutil.rmtree(self.folder)
        return state is not None

    def join(self) -> LabFile:
        """Move this process into the running lab's namespace and return what is there."""
        state = self.running()
        if state.keeper is None:
            raise UsageError("the lab's namespace is gone", hint="./lab down, then ./lab up")
        namespace.join(state.keeper.pid)
        return embedded_lab(profile_named(state.profile), Images(Path(state.images)))

    def _profile_to_be_had(self, profile: Profile, *, asked: bool) -> tuple[Profile, Images]:
        """The profile and its images; where it was not asked for and its release is gone, the one that lasts.

        :raises SuiteGone: the release is gone, and it was asked for; the hint names the other profile.
        """
        try:
            return profile, ensure_images(profile, self.progress)
        except SuiteGone as gone:
            other = profile_named(other_profile(profile.name))
            if asked:
                raise SuiteGone(gone.message, hint=f"--profile {other.name}") from gone
            self.progress.say(f"taking the profile {other.name} instead of {profile.name}: {gone.message}")
            return other, ensure_images(other, self.progress)

    def _bring_up(self, profile: Profile, images: Images, *, cold: bool) -> LabState:
        state = LabState(self.folder, profile=profile.name, images=str(images.folder))
        # A short path: a UNIX socket's may have 107 characters, a working copy's may have more.
        with tools.uninterrupted():
            state.sockets = tempfile.mkdtemp(prefix="xenlab-")
            state.save()
        with cache.using(images.folder) as descriptor, tools.uninterrupted():
            keeper = namespace.start_keeper(descriptor)
            state.keeper = ProcessId.of(keeper.pid)
            state.save()
        namespace.await_keeper(keeper)
        namespace.join(keeper.pid)
        namespace.build_network([host.tap for host in HOSTS])
        self._start_hosts(state, profile, images, cold=cold)
        self.lab_file.write_text(dump(embedded_lab(profile, images)))
        state.ready = True
        state.save()
        self.progress.say(f"hosts run on {state.accelerator}: {state.reason}")
        return state

    def _start_hosts(self, state: LabState, profile: Profile, images: Images, *, cold: bool) -> None:
        """Start both hosts on what the lab comes up on, and write that into `state`.

        A KVM that it did not come up on is not tried again until it is booted anew.
        """
        note = _kvm_note(images, profile)
        if cold:
            note.unlink(missing_ok=True)
        refused = kvm_refused() or (note.read_text() if note.exists() else None)

        def start_on(accelerator: Accelerator) -> None:
            self._start_on(accelerator, state, profile, images, cold=cold)

        accelerator = first_usable(candidates(refused), start_on, self.progress.say)
        state.accelerator, state.reason = accelerator.name, accelerator.reason
        if refused is None and accelerator.name != "kvm":
            note.write_text(accelerator.reason)

    def _start_on(
        self, accelerator: Accelerator, state: LabState, profile: Profile, images: Images, *, cold: bool
    ) -> None:
        """Start both hosts from their snapshot, made first where there is none; leaves nothing when it fails.

        :raises CannotObserve: a host does not come up, or guests cannot be made on it.
        """
        qemus = self._qemus(state, profile, images, accelerator)
        warm = _warm_folder(images, accelerator, profile)
        # Held until the disks are copied: another version of xenlab beside us may replace the snapshot.
        lock = images.folder.with_name(f"{images.folder.name}.warm.lock")
        try:
            with cache.locked(lock):
                if cold or not cache.is_complete(warm):
                    self._make_warm(state, profile, images, accelerator, warm)
                for qemu in qemus:
                    qemu.disk.unlink(missing_ok=True)
                    shutil.copyfile(warm / qemu.disk.name, qemu.disk)
            with self.progress.stage(f"{profile.name}-restore", "restoring both hosts from their snapshot"):
                self._start(state, qemus, restore=True)
                self._await(state, qemus, "to answer after its restore", _RESTORE_SECONDS, images)
        except CannotObserve:
            self._stop(state)
            raise

    def _make_warm(
        self, state: LabState, profile: Profile, images: Images, accelerator: Accelerator, folder: Path
    ) -> None:
        """Boot both hosts, provision them, and keep them in `folder` as they are then."""
        for old in images.folder.glob("warm-*"):
            tools.remove_tree(old)
        qemus = self._qemus(state, profile, images, accelerator)
        for qemu in qemus:
            qemu.create_disk()
        key = f"{profile.name}-{accelerator.name}"
        with cache.building(folder) as partial, self._hosts(images) as hosts:
            with self.progress.stage(f"{key}-boot", f"booting both Dom0s ({accelerator.name})"):
                self._start(state, qemus, restore=False)
                self._await(state, qemus, "to boot", _BOOT_SECONDS[accelerator.name], images)
            for host in hosts.values():
                provision.require_guests_possible(host, profile.guest_type)
            home = hosts[HOME.name]
            with self.progress.stage(f"{key}-share", "mounting the share"):
                provision.mount_share(home)
            for guest in GUESTS:
                with self.progress.stage(f"{key}-{guest.name}", f"moving {guest.name} onto the share"):
                    provision.move_guest(home, guest)
            with self.progress.stage(f"{key}-snapshot", "taking a snapshot of both hosts"):
                for qemu in qemus:
                    qemu.monitor("stop")
                for qemu in qemus:
                    qemu.monitor(f"savevm {SNAPSHOT}")
                self._stop(state, qemus)
            for qemu in qemus:
                shutil.move(qemu.disk, partial / qemu.disk.name)

    def _await(self, state: LabState, qemus: list[Qemu], what: str, bound: float, images: Images) -> None:
        """Wait until both hosts take logins, side by side, and give them the time of now.

        :raises CannotObserve: one does not; carries its console's last lines, or QEMU's own words.
        """
        over = Event()
        with self._hosts(images) as hosts, ThreadPoolExecutor(len(qemus)) as pool:
            jobs = [pool.submit(self._await_one, state, hosts[q.host.name], q, what, bound, over) for q in qemus]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                over.set()  # the pool waits for its threads: interrupted, we must not wait for the hosts
                raise

    @staticmethod
    def _await_one(state: LabState, host: RemoteHost, qemu: Qemu, what: str, bound: float, over: Event) -> None:
        process = state.hosts[host.name]

        def answers() -> bool:
            if not process.alive:
                raise CannotObserve(f"QEMU of {host.name} ended: {tools.last_lines(qemu.error_log, 1)}")
            qemu.require_running()
            try:
                host.wait_until_reachable(1.0, f"{host.name} {what}")
            except HostUnreachable:
                return False
            return True

        try:
            wait_for(answers, f"{host.name} {what}", bound, interval=0.1, stop=over)
        except NotInTime as late:
            log = tools.last_lines(qemu.console_log, 4)
            raise CannotObserve(f"{late.message}; its console ends with: {log}") from late
        provision.set_clock(host)

    def _qemus(self, state: LabState, profile: Profile, images: Images, accelerator: Accelerator) -> list[Qemu]:
        sockets = Path(state.sockets)
        return [Qemu(host, profile, images, self.folder, sockets, accelerator) for host in HOSTS]

    def _start(self, state: LabState, qemus: list[Qemu], *, restore: bool) -> None:
        for qemu in qemus:
            qemu.qmp_socket.unlink(missing_ok=True)
            qemu.console_log.unlink(missing_ok=True)
            with tools.uninterrupted():
                process = qemu.start(restore=restore)
                state.hosts[qemu.host.name] = ProcessId.of(process.pid)
                state.save()
            qemu.await_control(process)

    def _stop(self, state: LabState, gently: list[Qemu] | None = None) -> None:
        for qemu in gently or []:
            qemu.quit()
        for process in state.hosts.values():
            process.kill()
        state.hosts.clear()
        state.save()

    def _clear(self) -> None:
        """End every process of a lab that is or was up here, and remove what it left."""
        state = self.state()
        if state:
            for process in [*state.hosts.values(), state.keeper]:
                if process:
                    process.kill()
            if state.sockets:
                shutil.rmtree(state.sockets, ignore_errors=True)
        for leftover in self.folder.glob("*"):
            if leftover.name != "lock":
                leftover.unlink()

    @contextmanager
    def _hosts(self, images: Images) -> Iterator[dict[str, RemoteHost]]:
        sink = provision.command_log(self.folder / "provision.jsonl")
        # A booting host is silent: ask often rather than long.
        limits = Limits(connect=4.0)
        hosts = {host.name: RemoteHost(host.name, login_of(host, images), sink, limits=limits) for host in HOSTS}
        try:
            yield hosts
        finally:
            for host in hosts.values():
                host.close()


def login_of(host: HostPlan, images: Images) -> Login:
    """The way into an embedded host."""
    return Login(host.address, "root", images.known_hosts, key_file=images.login_key)


def _kvm_note(images: Images, profile: Profile) -> Path:
    """Where it is noted of what the lab failed on this machine's KVM, so that it is not tried each time."""
    return images.folder / f"kvm-failed-{_warm_folder(images, Accelerator('kvm', ''), profile).name}"


def _warm_folder(images: Images, accelerator: Accelerator, profile: Profile) -> Path:
    """Where the snapshot for this recipe, QEMU and command line is kept."""
    facts = (qemu_version(), accelerator.arguments, os.uname().release if accelerator.name == "kvm" else "")
    digest = hashlib.sha256(repr((facts, profile)).encode())
    for name in ("accelerator", "qemu", "provision", "embedded"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return images.folder / f"warm-{accelerator.name}-{digest.hexdigest()[:12]}"
