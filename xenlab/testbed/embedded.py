"""The embedded lab as a whole, up and down.

Bringing it up always ends in restoring the snapshot of two booted, provisioned hosts; when there is none
for this recipe, QEMU and machine, it is made first by a cold boot.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event

from rich.console import Console

from xenlab.errors import CannotObserve, UsageError
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Limits, Login
from xenlab.remote.side_by_side import side_by_side
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.testbed import cache, provision, tools
from xenlab.testbed.accelerator import Accelerator, candidates, first_usable, kvm_refused
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.debian import SuiteGone
from xenlab.testbed.images import ensure_images
from xenlab.testbed.joining import lab_as_made, lab_file_of, network_of
from xenlab.testbed.network import NetworkChoice, known_by
from xenlab.testbed.networks import choose
from xenlab.testbed.plan import CLIENT, GUESTS, HOSTS
from xenlab.testbed.profiles import DEFAULT_PROFILE, Profile, other_profile, profile_named
from xenlab.testbed.progress import Progress
from xenlab.testbed.qemu import SNAPSHOT, Qemu, qemu_version
from xenlab.testbed.qmp import socket_folder
from xenlab.testbed.state import LabState, ProcessId, lab_folder
from xenlab.tomlfile import dump

# An emulated Dom0 takes 40-60 s on an idle machine of two cores, several times that on a busy one.
_BOOT_SECONDS = {"tcg": 900.0, "kvm": 120.0}
_RESTORE_SECONDS = 120.0


class EmbeddedLab:
    """The lab of one working copy; its running state lies in a folder there (`lab_folder`)."""

    def __init__(self, working_copy: Path, console: Console) -> None:
        self.folder = lab_folder(working_copy)
        self.progress = Progress(console, cache.cache_root() / "durations.json")

    def state(self) -> LabState | None:
        """What is up, or half up; None when nothing is."""
        return LabState.load(self.folder)

    def up(self, profile_name: str | None = None, *, network: str | None = None, cold: bool = False) -> LabState:
        """Bring the lab up and join its network; `cold` boots anew instead of restoring a snapshot.

        `network` is one of NETWORKS, or None for what the machine grants.

        Where no profile is asked for, the default is taken, or what lasts where its release can no longer be had.

        :raises UsageError: it is up already, or this machine lacks something (named, with the remedy).
        :raises CannotObserve: a build failed or a host did not come up (with its console's last lines).
        """
        profile = profile_named(profile_name or DEFAULT_PROFILE)
        tools.require_programs()
        choice = choose(network)
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
                return self._bring_up(profile, images, choice, cold=cold)
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

    def keep(self, checkpoint: str) -> None:
        """Keep both hosts as they are now, memory, disks and guests, under a name: they stand still for some seconds.

        :raises UsageError: no lab is up; :raises CannotObserve: QEMU refuses.
        """
        with self._running() as (_, qemus):
            try:
                for command in ("stop", f"savevm {checkpoint}"):
                    for qemu in qemus:  # neither sees the other in another time
                        qemu.monitor(command)
            finally:
                for qemu in qemus:
                    qemu.monitor("cont")

    def go_back(self, checkpoint: str) -> None:
        """Have both hosts as they were when that was kept, but for the time of day; the lab's network must be joined.

        One that has ended meanwhile is there again.

        :raises UsageError: no lab is up; :raises CannotObserve: there is no such checkpoint, or a host does not come
            back.
        """
        with self._running(all_hosts=False) as (state, qemus):
            # By new processes: within one a processor's ticks never go back (cpu_get_ticks() in QEMU's
            # system/cpu-timers.c), so that after loadvm the time-stamp counter is ahead of every other clock.
            self._stop(state, qemus)
            self._start(state, qemus, restore=checkpoint)
            with self._hosts(state) as hosts:
                self._await(state, qemus, hosts, f"to answer after going back to {checkpoint}", _RESTORE_SECONDS)

    def boot_anew(self, host: str, without: Sequence[str] = ()) -> None:
        """Boot one host anew from its disk, on a processor without those features; `go_back` gives it back its own.

        The features are named as QEMU names them (`-cpu help`). The lab's network must be joined.

        :raises UsageError: no lab is up; :raises CannotObserve: the host does not come back.
        """
        with self._running() as (state, qemus), self._hosts(state) as hosts:
            (qemu,) = (replace(qemu, without=tuple(without)) for qemu in qemus if qemu.host.name == host)
            hosts[host].run("sync", timeout=_RESTORE_SECONDS).check()
            hosts[host].close()
            state.hosts[host].kill()
            self._start(state, [qemu], restore=None)
            self._await(state, [qemu], hosts, "to boot", _BOOT_SECONDS[qemu.accelerator.name])

    @contextmanager
    def _running(self, *, all_hosts: bool = True) -> Iterator[tuple[LabState, list[Qemu]]]:
        """Both hosts of the lab that is up, for nobody else to end or restore meanwhile.

        Without `all_hosts` one that has ended does not keep the lab from being up.

        :raises UsageError: no lab is up.
        """
        with cache.locked(self.folder / "lock") if self.folder.exists() else nullcontext():
            state = self.state()
            if state is None or not (state.running if all_hosts else state.wired):
                raise UsageError("no lab is up in this working copy", hint="./lab up")
            accelerator = Accelerator(state.accelerator, state.reason)
            yield state, self._qemus(state, profile_named(state.profile), Images(Path(state.images)), accelerator)

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

    def _bring_up(self, profile: Profile, images: Images, choice: NetworkChoice, *, cold: bool) -> LabState:
        state = LabState(self.folder, profile=profile.name, images=str(images.folder))
        state.network, state.network_reason = choice.name, choice.reason
        with tools.uninterrupted():
            state.sockets = socket_folder()
            state.save()
        network = network_of(state)
        with cache.using(images.folder) as descriptor, tools.uninterrupted():
            keeper = network.start(descriptor)
            state.keeper = ProcessId.of(keeper.pid)
            state.save()
        state.ways_in = dict(network.complete(keeper))
        state.known_hosts.write_text(known_by(images.known_hosts.read_text(), state.ways_in))
        self.progress.say(f"the hosts' network is {choice}")
        self._start_hosts(state, profile, images, cold=cold)
        state.lab_file.write_text(dump(lab_file_of(state)))
        state.ready = True
        state.save()
        self.progress.say(f"hosts run on {state.accelerator}: {state.reason}")
        return state

    def _start_hosts(self, state: LabState, profile: Profile, images: Images, *, cold: bool) -> None:
        """Start both hosts on what the lab comes up on, and write that into `state`.

        A KVM that it did not come up on is not tried again until it is booted anew.
        """
        note = _kvm_note(images, profile, state.network)
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
        warm = _warm_folder(images, accelerator, profile, state.network)
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
                self._start(state, qemus, restore=SNAPSHOT)
                with self._hosts(state) as hosts:
                    self._await(state, qemus, hosts, "to answer after its restore", _RESTORE_SECONDS)
        except CannotObserve:
            self._stop(state)
            raise

    def _make_warm(
        self, state: LabState, profile: Profile, images: Images, accelerator: Accelerator, folder: Path
    ) -> None:
        """Boot both hosts, provision them, and keep them in `folder` as they are then."""
        for old in images.folder.glob(f"warm-{state.network}-*"):
            tools.remove_tree(old)
        qemus = self._qemus(state, profile, images, accelerator)
        for qemu in qemus:
            qemu.create_disk()
        key = f"{profile.name}-{accelerator.name}"
        with cache.building(folder) as partial, self._hosts(state) as hosts:
            with self.progress.stage(f"{key}-boot", f"booting both Dom0s ({accelerator.name})"):
                self._start(state, qemus, restore=None)
                self._await(state, qemus, hosts, "to boot", _BOOT_SECONDS[accelerator.name])
            for host in hosts.values():
                provision.require_guests_possible(host, profile.guest_type)
            with self.progress.stage(f"{key}-share", "mounting the share"):
                provision.mount_share(hosts[CLIENT.name])
            with self.progress.stage(f"{key}-guests", "moving the guests onto the share"):
                side_by_side(lambda guest: provision.move_guest(hosts[guest.home.name], guest), GUESTS)
            with self.progress.stage(f"{key}-snapshot", "taking a snapshot of both hosts"):
                for qemu in qemus:
                    qemu.monitor("stop")
                for qemu in qemus:
                    qemu.monitor(f"savevm {SNAPSHOT}")
                self._stop(state, qemus)
            for qemu in qemus:
                shutil.move(qemu.disk, partial / qemu.disk.name)

    def _await(
        self, state: LabState, qemus: list[Qemu], hosts: Mapping[str, RemoteHost], what: str, bound: float
    ) -> None:
        """Wait until both hosts take logins, side by side, and give them the time of now.

        :raises CannotObserve: one does not; carries its console's last lines, or QEMU's own words.
        """
        over = Event()
        with ThreadPoolExecutor(len(qemus)) as pool:
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
        sockets, network = Path(state.sockets), network_of(state)
        return [Qemu(host, profile, images, self.folder, sockets, accelerator, network.netdev(host)) for host in HOSTS]

    def _start(self, state: LabState, qemus: list[Qemu], *, restore: str | None) -> None:
        for qemu in qemus:
            qemu.control.socket.unlink(missing_ok=True)
            qemu.console_log.unlink(missing_ok=True)
            with tools.uninterrupted():
                process = qemu.start(restore=restore)
                state.hosts[qemu.host.name] = ProcessId.of(process.pid)
                state.save()
            qemu.await_control(process)

    def _stop(self, state: LabState, gently: list[Qemu] | None = None) -> None:
        for qemu in gently or []:
            qemu.control.quit()
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
    def _hosts(self, state: LabState) -> Iterator[dict[str, RemoteHost]]:
        sink = provision.command_log(self.folder / "provision.jsonl")
        # A booting host is silent: ask often rather than long. QEMU's user network takes a connection on its behalf.
        limits = Limits(connect=4.0, banner=10.0)
        specs = lab_as_made(state).hosts
        hosts = {spec.name: RemoteHost(spec.name, Login.of(spec, {}), sink, limits=limits) for spec in specs}
        try:
            yield hosts
        finally:
            for host in hosts.values():
                host.close()


def _kvm_note(images: Images, profile: Profile, network: str) -> Path:
    """Where it is noted of what the lab failed on this machine's KVM, so that it is not tried each time."""
    return images.folder / f"kvm-failed-{_warm_folder(images, Accelerator('kvm', ''), profile, network).name}"


def _warm_folder(images: Images, accelerator: Accelerator, profile: Profile, network: str) -> Path:
    """Where the snapshot for this recipe, QEMU and command line is kept; what a NIC can do is its network's."""
    facts = (qemu_version(), accelerator.arguments(), os.uname().release if accelerator.name == "kvm" else "")
    digest = hashlib.sha256(repr((facts, profile)).encode())
    for name in ("accelerator", "qemu", "provision", "embedded", "namespace", "usernet"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return images.folder / f"warm-{network}-{accelerator.name}-{digest.hexdigest()[:12]}"
