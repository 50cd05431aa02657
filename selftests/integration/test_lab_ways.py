"""A lab whose machines are reached through others: which way each command really takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd import OldServing, Sshd

from xenlab.errors import UsageError
from xenlab.lab.lab import Lab
from xenlab.lab.seats import HostSeat
from xenlab.labfile import LabFile, load
from xenlab.remote import errors
from xenlab.remote.waiting import wait_for

NAMES = ("gate", "labubuntu", "baye", "guest1", "guest2")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, Sshd]]:
    made = {name: Sshd() for name in NAMES}
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture
def spec(servers: dict[str, Sshd], tmp_path: Path) -> LabFile:
    """Hosts behind a jump host, one guest behind both hosts, the other behind one."""

    def way_in(name: str) -> str:
        login = servers[name].login(tmp_path, name)
        return f'name = "{name}"\nport = {login.port}\nkey_file = "{name}.id"\nknown_hosts = "{name}.known_hosts"\n'

    def inside(name: str, last: int, via: str) -> str:
        return f'{way_in(name)}address = "10.1.1.{last}"\nssh_address = "127.0.0.1"\nvia = "{via}"\n'

    guest = 'home = "labubuntu"\nping_target = "10.1.1.1"\nconfig = "/mnt/private/'
    text = f"""name = "behind"
[share]
server = "baye"
export = "/srv/private"
mount_point = "/mnt/private"
[[jumps]]
address = "127.0.0.1"
{way_in("gate")}
[[hosts]]
{inside("labubuntu", 189, "gate")}
[[hosts]]
{inside("baye", 143, "gate")}
[[guests]]
{inside("guest1", 85, "hosts")}{guest}guest1.cfg"
[[guests]]
{inside("guest2", 86, "baye")}{guest}guest2.cfg"
"""
    file = tmp_path / "lab.toml"
    file.write_text(text)
    return load(file)


def test_every_machine_is_reached_the_way_the_lab_file_says(spec: LabFile, servers: dict[str, Sshd]) -> None:
    ports = {name: server.port for name, server in servers.items()}
    with Lab(spec, lambda _: "", {}) as lab:
        for host in lab.hosts:
            assert host.remote.run("echo", host.name).stdout == f"{host.name}\n"
        for name in ("guest1", "guest2"):
            assert lab.guest(name).machine.run("echo", name).stdout == f"{name}\n"
        assert {ports[name] for name in ("labubuntu", "baye")} == {port for _, port in servers["gate"].asked_for}
        assert [port for _, port in servers["labubuntu"].asked_for] == [ports["guest1"]]
        assert [port for _, port in servers["baye"].asked_for] == [ports["guest2"]]
        assert len(servers["gate"].transports) == 1  # all share it
        assert servers["gate"].commands == []
    wait_for(lambda: not servers["gate"].transports[0].is_active(), "all to be closed", 5, 0.01)


def test_the_machines_that_may_be_reached_by_old_ssh_are_told_of(
    spec: LabFile, servers: dict[str, Sshd], tmp_path: Path
) -> None:
    servers["gate"].stop()
    servers["gate"] = Sshd(serving=OldServing)
    login = servers["gate"].login(tmp_path, "gate")
    gate = spec.jumps[0].model_copy(update={"port": login.port})
    spec = spec.model_copy(update={"jumps": (gate,)})
    with Lab(spec, lambda _: "", {}) as lab, pytest.raises(errors.JumpUnusable, match="no SSH algorithm in common"):
        lab.hosts.named("baye").remote.run("true")
    spec = spec.model_copy(update={"jumps": (gate.model_copy(update={"old_ssh": True}),)})
    with Lab(spec, lambda _: "", {}) as lab:
        assert lab.hosts.named("baye").remote.run("echo", "there").stdout == "there\n"
        (remark,) = lab.reached_by_old_ssh()
    assert remark.startswith("gate may be reached by old SSH (old_ssh in the lab file)")


def test_a_guest_behind_the_hosts_is_reached_through_the_one_that_is_there(
    spec: LabFile, servers: dict[str, Sshd]
) -> None:
    with Lab(spec, lambda _: "", {}) as lab:
        servers["labubuntu"].stop()
        assert lab.guest("guest1").machine.run("echo", "there").stdout == "there\n"
        assert [port for _, port in servers["baye"].asked_for] == [servers["guest1"].port]


def test_a_jump_host_on_the_labs_network_may_be_the_seat(spec: LabFile, servers: dict[str, Sshd]) -> None:
    spec = spec.model_copy(update={"probes": spec.probes.model_copy(update={"outside_from": "gate"})})
    with Lab(spec, lambda _: "", {}) as lab:
        seats = {seat for guest in lab.guests.values() for seat in guest.seats}
        (seat,) = seats  # both guests' is the same
        assert isinstance(seat, HostSeat)
        assert seat.machine.run("echo", "there").stdout == "there\n"
    assert servers["gate"].ran("echo there") == 1


def test_a_way_that_is_closed_says_nothing_about_a_guest(spec: LabFile, servers: dict[str, Sshd]) -> None:
    spec = spec.model_copy(update={"timeouts": spec.timeouts.model_copy(update={"boot_seconds": 0.2})})
    with Lab(spec, lambda _: "", {}) as lab:
        servers["baye"].stop()
        with pytest.raises(errors.JumpUnreachable, match="guest2 is reached through baye"):
            list(lab.guest("guest2").takes_login())
        servers["gate"].stop()
        with pytest.raises(errors.JumpUnreachable, match="guest1 is reached through labubuntu"):
            list(lab.guest("guest1").takes_login())


def test_a_jump_hosts_missing_password_is_told_before_anything_is_done(spec: LabFile) -> None:
    gate = spec.jumps[0].model_copy(update={"password_env": "GATE_PASSWORD"})
    with pytest.raises(UsageError, match="GATE_PASSWORD, the password of gate, is not set"):
        Lab(spec.model_copy(update={"jumps": (gate,)}), lambda _: "", {})
