"""Where a guest is said to be, what a host must have, and what counts as left over."""

import json

import pytest
from fakelab import ADDRESSES, CONFIG, MOUNT_POINT, ORIGINAL, Answer, FakeLab, config, failed, findmnt, xl_info, xl_list
from xenlab.lab.found import AsFound
from xenlab.lab.inside import NONCE_FILE

from xenlab.errors import CannotObserve, LabFault
from xenlab.remote import commands
from xenlab.remote.errors import HostUnreachable
from xenlab.xen import xl

NOTHING_LEFT = ["no-stray-loop-devices", "no-stray-mounts", "no-stray-processes", "no-stray-files"]


# Where a guest is


def test_a_guest_runs_on_one_host_only(lab: FakeLab) -> None:
    assert lab.guest.runs_only_on(lab.first)
    failed(lab.guest.runs_only_on(lab.second), "labubuntu (-b----)")
    assert lab.guest.host is lab.first


def test_a_guest_on_both_hosts_is_a_fault(lab: FakeLab) -> None:
    lab.server.says[xl.list_domains()] = xl_list(guest1="r-----")
    finding = lab.guest.runs_only_on(lab.first)
    failed(finding, "labubuntu (-b----), baye (r-----)")
    assert "two writers" in finding.hint
    with pytest.raises(LabFault, match="guest1 is on labubuntu and baye") as fault:
        _ = lab.guest.host
    assert "destroy the wrong one at once" in fault.value.hint


@pytest.mark.parametrize("state", ["--p---", "---s--", "---sc-", "-----d"])
def test_a_guest_that_does_not_live_does_not_run(state: str, lab: FakeLab) -> None:
    lab.home.says[xl.list_domains()] = xl_list(guest1=state)
    failed(lab.guest.runs_only_on(lab.first), state)


def test_a_guest_on_no_host_is_gone(lab: FakeLab) -> None:
    lab.home.says[xl.list_domains()] = xl_list(guest10="-b----")
    assert not lab.guest.is_running
    failed(lab.guest.runs_only_on(lab.first), "on neither host")
    with pytest.raises(LabFault, match="guest1 is on no host") as fault:
        _ = lab.guest.host
    assert fault.value.hint == f"xl create {CONFIG}"


@pytest.mark.parametrize("silent", ["home", "server"])
def test_a_silent_host_says_nothing_about_the_guest(silent: str, lab: FakeLab) -> None:
    lab.unreachable(getattr(lab, silent))
    for question in (lambda: lab.guest.runs_only_on(lab.first), lambda: lab.guest.is_running):
        with pytest.raises(HostUnreachable):
            question()


def test_an_unread_listing_says_nothing_either(lab: FakeLab) -> None:
    lab.server.says[xl.list_domains()] = ""
    with pytest.raises(CannotObserve):
        lab.guest.runs_only_on(lab.first)


# Its devices and its inside


def domain(disk: str, *, kernel: str | None = None, bootloader: str | None = None) -> str:
    built = {"kernel": kernel, "bootloader": bootloader}
    config = {
        "c_info": {"type": "pv", "name": "guest1"},
        "b_info": {key: value for key, value in built.items() if value},
        "disks": [{"pdev_path": disk, "vdev": "xvda1", "readwrite": 1}],
    }
    return json.dumps([{"domid": 3, "config": config}])


def test_a_running_guest_is_judged_by_what_it_really_has(lab: FakeLab) -> None:
    shared, long = f"{MOUNT_POINT}/artem", xl.list_long("guest1")
    lab.home.says[long] = domain(f"{shared}/guest1.img", kernel=f"{shared}/vmlinuz")
    assert [finding.holds for finding in lab.guest.keeps_devices_on_share()] == [True, True]
    lab.home.says[long] = domain("/home/artem/guest1.img", kernel="/mnt/private2/vmlinuz")
    for finding, path in zip(lab.guest.keeps_devices_on_share(), ("/home/artem", "/mnt/private2"), strict=True):
        failed(finding, path)
        assert "create it again" in finding.hint


def test_the_kernel_that_a_bootloader_took_out_is_not_on_the_share(lab: FakeLab) -> None:
    disk = f"{MOUNT_POINT}/artem/guest1.img"
    lab.home.says[xl.list_long("guest1")] = domain(disk, kernel="/var/run/xen/boot_kernel.x", bootloader="pygrub")
    assert [finding.holds for finding in lab.guest.keeps_devices_on_share()] == [True]


@pytest.mark.parametrize(("device", "holds"), [("xvda1", True), ("xvda2", False), ("sda1", False)])
def test_the_root_device_is_the_configs_disk(device: str, holds: bool, lab: FakeLab) -> None:
    lab.home.says[xl.list_long("guest1")] = domain(f"{MOUNT_POINT}/artem/guest1.img")
    lab.inside.says[commands.root_device()] = f"../../devices/vbd-51713/block/{device}\n"
    finding = lab.guest.has_root_device()
    assert finding.holds == holds
    assert device in finding.actual


def test_swap_is_as_prescribed(lab: FakeLab) -> None:
    head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    lab.inside.says[commands.swaps()] = head + "/dev/xvda2 partition\t65532\t\t0\t\t-2\n"
    assert lab.guest.inside.has_swap()
    lab.inside.says[commands.swaps()] = head
    failed(lab.guest.inside.has_swap(), "no swap in use")


def test_a_nonce_is_read_back_or_missed(lab: FakeLab) -> None:
    with lab.guest.inside.nonce() as nonce:
        assert lab.guest.inside.still_has(nonce)
        failed(lab.guest.inside.still_has("another"), nonce)
    failed(lab.guest.inside.still_has(nonce), "No such file")


@pytest.mark.parametrize("error", [HostUnreachable("gone"), LabFault("wrong"), KeyboardInterrupt(), AssertionError()])
def test_a_nonce_goes_however_the_step_ends(error: BaseException, lab: FakeLab) -> None:
    with pytest.raises(type(error)) as raised, lab.guest.inside.nonce():
        raise error
    assert raised.value is error
    assert lab.inside.files == {}


@pytest.mark.parametrize("answer", [HostUnreachable("silent"), (1, "", "rm: Read-only file system")])
def test_a_nonce_that_stays_does_not_hide_why_the_step_failed(answer: Answer, lab: FakeLab) -> None:
    lab.inside.says[commands.remove(NONCE_FILE)] = answer
    with pytest.raises(LabFault, match="the reason"), lab.guest.inside.nonce():
        raise LabFault("the reason")


@pytest.mark.parametrize("answer", [HostUnreachable("silent"), (1, "", "rm: Read-only file system")])
def test_a_nonce_that_stays_is_told_after_a_step_that_held(answer: Answer, lab: FakeLab) -> None:
    lab.inside.says[commands.remove(NONCE_FILE)] = answer
    with pytest.raises(HostUnreachable if isinstance(answer, CannotObserve) else LabFault), lab.guest.inside.nonce():
        pass


def test_a_nonce_that_cannot_be_written_is_a_fault_and_leaves_nothing(
    lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "feedbeef" * 4)
    lab.inside.says[commands.write_nonce(NONCE_FILE, "feedbeef" * 4)] = (1, "", "dd: No space left on device")
    with pytest.raises(LabFault, match="exit code 1") as fault, lab.guest.inside.nonce():
        pytest.fail("the body must not run")
    assert fault.value.actual == "dd: No space left on device"
    assert lab.inside.asked[-1] == commands.remove(NONCE_FILE)


def test_a_login_that_does_not_come_is_a_finding(lab: FakeLab) -> None:
    assert lab.guest.answers()
    lab.inside.silent = HostUnreachable("no route to 10.1.1.85", hint="look at its address")
    finding = lab.guest.answers()
    failed(finding, "no route")
    assert finding.guest == "guest1"


# What a host must have


def test_memory_for_one_more_guest(lab: FakeLab) -> None:
    lab.home.says[xl.info()] = xl_info(free=128)
    assert lab.first.has_memory_for("guest1", 128)
    failed(lab.first.has_memory_for("guest1", 129), "128 MiB free")


def test_a_pv_guest_needs_shadow_and_the_hint_says_so(lab: FakeLab) -> None:
    assert lab.first.can_live_migrate("guest1", "pv")
    lab.home.says[xl.info()] = xl_info(caps="pv hvm hap")
    finding = lab.first.can_live_migrate("guest1", "pv")
    failed(finding, "virt_caps: hap hvm pv")
    assert "shadow" in finding.hint
    assert 'type="pvh"' in finding.hint
    assert lab.first.can_live_migrate("guest1", "pvh")
    lab.home.says[xl.info()] = xl_info(caps="pv")
    failed(lab.first.can_live_migrate("guest1", "pvh"))


def asks(lab: FakeLab, *, is_there: bool = False) -> dict[str, bool]:
    lab.first.remote.says |= {commands.is_bridge("xenbr0"): "", commands.bridges(): "xenbr0\n"}  # type: ignore[attr-defined]
    return {finding.id: finding.holds for finding in lab.guest.fits_on(lab.first, is_there=is_there)}


def test_a_guest_asks_a_host_for_its_type_its_bridge_and_memory(lab: FakeLab) -> None:
    assert asks(lab) == {"live-migratable": True, "bridge": True, "memory-free": True}
    lab.home.says[xl.info()] = xl_info(free=127)
    assert asks(lab) == {"live-migratable": True, "bridge": True, "memory-free": False}
    assert asks(lab, is_there=True) == {"live-migratable": True, "bridge": True}


def test_without_its_config_the_original_tells_what_a_guest_asks(lab: FakeLab) -> None:
    del lab.shared[CONFIG]
    assert asks(lab) == {}
    lab.guest.spec = lab.guest.spec.model_copy(update={"original_config": ORIGINAL})
    assert asks(lab) == {}
    lab.home.files[ORIGINAL] = config("/home/artem", memory=5000)
    assert asks(lab) == {"live-migratable": True, "bridge": True, "memory-free": False}
    lab.shared[CONFIG] = "memory = "
    assert asks(lab)["memory-free"] is False


def test_the_shares_files_are_the_config_and_what_it_names_there(lab: FakeLab) -> None:
    folder = f"{MOUNT_POINT}/artem"
    assert lab.guest.files_on_share() == (CONFIG, f"{folder}/vmlinuz", f"{folder}/guest1.img")
    lab.home.files = dict(lab.shared)
    del lab.shared[f"{folder}/vmlinuz"]
    assert lab.guest.files_on_share() == (CONFIG, f"{folder}/vmlinuz", f"{folder}/guest1.img")
    del lab.home.files[f"{folder}/guest1.img"], lab.shared[f"{folder}/guest1.img"]
    assert lab.guest.files_on_share() == (CONFIG, f"{folder}/vmlinuz")
    lab.home.files[CONFIG] = config("/home/artem")
    assert lab.guest.files_on_share() == (CONFIG,)
    lab.home.files[CONFIG] = "memory = "
    assert lab.guest.files_on_share() == (CONFIG,)
    del lab.home.files[CONFIG]
    assert lab.guest.files_on_share() == (CONFIG,)


def test_both_hosts_run_the_same_xen(lab: FakeLab) -> None:
    assert lab.hosts.run_same_series()
    lab.server.says[xl.info()] = xl_info(version="4.20")
    failed(lab.hosts.run_same_series(), "labubuntu: 4.14.5", "baye: 4.20.5")


def test_root_gets_to_the_peer_without_being_asked(lab: FakeLab) -> None:
    way = commands.ssh_to(ADDRESSES["baye"])
    lab.home.says[way] = "baye\n"
    assert lab.first.reaches_by_ssh(lab.second)
    lab.home.says[way] = (255, "", "Warning: added\nroot@10.1.1.143: Permission denied (publickey).\n")
    finding = lab.first.reaches_by_ssh(lab.second)
    failed(finding, "Permission denied")
    assert "Warning" not in finding.actual


def test_a_missing_bridge_is_told_beside_those_that_are_there(lab: FakeLab) -> None:
    lab.home.says |= {commands.is_bridge("xenbr0"): (1, "", ""), commands.bridges(): "virbr0\nbr1\n"}
    failed(lab.first.has_bridge("xenbr0"), "virbr0, br1")


def test_xl_says_why_it_refuses_a_config(lab: FakeLab) -> None:
    dryrun = xl.create(CONFIG, dryrun=True)
    lab.home.says[dryrun] = "{}"
    assert lab.first.parses(CONFIG, "guest1")
    lab.home.says[dryrun] = (1, "", f"{CONFIG}:3: config parsing error near `memory': syntax error\n")
    failed(lab.first.parses(CONFIG, "guest1"), "config parsing error")


# Left as found


def found(lab: FakeLab) -> AsFound:
    return AsFound.of(lab.hosts, [lab.guest], lab.share)


def test_an_untouched_lab_is_as_found(lab: FakeLab) -> None:
    as_found = found(lab)
    assert as_found.is_place_of(lab.guest)
    for host in lab.hosts:
        assert as_found.has_no_stray_domains(host)
        assert [(f.id, f.holds) for f in as_found.has_no_leftovers(host)] == [(id, True) for id in NOTHING_LEFT]


@pytest.mark.parametrize("state", ["--ps--", "---s--", "-----d", "---scd"])
def test_a_guest_that_is_going_down_is_found_shut_down(state: str, lab: FakeLab) -> None:
    lab.home.says[xl.list_domains()] = [xl_list(guest1=state), xl_list()]
    assert found(lab).places == {"guest1": None}


def test_a_crashed_guest_that_is_kept_is_not_waited_for(lab: FakeLab) -> None:
    kept = xl_list(guest1="---sc-")
    lab.home.says[xl.list_domains()] = [kept, kept, xl_list()]  # waiting would see it gone
    assert found(lab).places == {"guest1": "labubuntu"}


def test_a_guest_elsewhere_or_started_is_not_as_found(lab: FakeLab) -> None:
    as_found = found(lab)
    lab.home.says[xl.list_domains()] = xl_list()
    lab.server.says[xl.list_domains()] = xl_list(guest1="-b----")
    failed(as_found.is_place_of(lab.guest), "on baye")
    lab.server.says[xl.list_domains()] = xl_list()
    off = found(lab)
    assert off.is_place_of(lab.guest)
    failed(as_found.is_place_of(lab.guest), "on no host")
    lab.home.says[xl.list_domains()] = xl_list(guest1="-b----")
    failed(off.is_place_of(lab.guest), "on labubuntu")


def test_a_guest_left_paused_is_not_as_found(lab: FakeLab) -> None:
    as_found = found(lab)
    lab.home.says[xl.list_domains()] = xl_list(guest1="--p---")
    failed(as_found.is_place_of(lab.guest), "on labubuntu (--p---)")


@pytest.mark.parametrize("name", ["guest1__incoming", "guest1__migratedaway", "xlguest"])
def test_half_moved_and_strange_domains_are_leftovers(name: str, lab: FakeLab) -> None:
    as_found = found(lab)
    lab.server.says[xl.list_domains()] = xl_list(**{name: "--p---"})
    failed(as_found.has_no_stray_domains(lab.second), name.replace("__", "--"))
    assert as_found.has_no_stray_domains(lab.first)


def test_a_half_moved_guest_that_was_there_before_is_still_told(lab: FakeLab) -> None:
    lab.server.says[xl.list_domains()] = xl_list(guest1__incoming="--p---", other="-b----")
    failed(found(lab).has_no_stray_domains(lab.second), "guest1--incoming")


@pytest.mark.parametrize("kind", NOTHING_LEFT)
def test_each_kind_of_leftover_is_told_on_its_host(kind: str, lab: FakeLab) -> None:
    as_found = found(lab)
    loop = {"loopdevices": [{"name": "/dev/loop0", "back-file": "/mnt/private/artem/guest1.img"}]}
    argv, answer, word = {
        "no-stray-loop-devices": (commands.loop_devices(), json.dumps(loop), "guest1.img"),
        "no-stray-mounts": (commands.mounts(), findmnt("/dev/loop0", "ext4", "/media"), "/dev/loop0 on /media"),
        "no-stray-processes": (commands.processes(), "7 xl migrate-receive\n8 sleep 5\n", "xl migrate-receive"),
        "no-stray-files": (
            commands.names_in(MOUNT_POINT, ".xenlab-nonce-*"),
            f"{MOUNT_POINT}/.xenlab-nonce-1\n",
            "nonce-1",
        ),
    }[kind]
    lab.home.says[argv] = answer
    findings = {finding.id: finding for finding in as_found.has_no_leftovers(lab.first)}
    failed(findings.pop(kind), word)
    assert all(findings.values())
    assert all(as_found.has_no_leftovers(lab.second))


def test_what_was_there_before_is_no_leftover_but_one_more_of_it_is(lab: FakeLab) -> None:
    one = {"name": "/dev/loop0", "back-file": "/images/a.img"}
    lab.home.says[commands.loop_devices()] = json.dumps({"loopdevices": [one]})
    as_found = found(lab)
    assert all(as_found.has_no_leftovers(lab.first))
    lab.home.says[commands.loop_devices()] = json.dumps({"loopdevices": [one, {**one, "name": "/dev/loop1"}]})
    failed(as_found.has_no_leftovers(lab.first)[0], "/images/a.img")


def test_a_silent_host_is_not_as_found(lab: FakeLab) -> None:
    as_found = found(lab)
    lab.unreachable(lab.server)
    for question in (lambda: as_found.is_place_of(lab.guest), lambda: as_found.has_no_leftovers(lab.second)):
        with pytest.raises(HostUnreachable):
            question()
