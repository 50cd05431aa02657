"""Through machines on the way: SSH servers in this process, each of which really carries the connection on."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from sshd import LIMITS, Sshd

from xenlab.errors import CannotObserve
from xenlab.remote import errors
from xenlab.remote.host import RemoteHost
from xenlab.remote.jump import Jump, through
from xenlab.remote.login import Limits, Login
from xenlab.remote.ssh_client import Way, connect_tcp, open_client
from xenlab.remote.waiting import wait_for

HASTY = Limits(connect=0.5, banner=2, login=2, channel=0.5)


@pytest.fixture
def gate() -> Iterator[Sshd]:
    """A machine on the way."""
    server = Sshd()
    yield server
    server.stop()


@pytest.fixture
def jump(gate: Sshd, tmp_path: Path) -> Iterator[Jump]:
    made = Jump("gate", gate.login(tmp_path, "gate"), HASTY)
    yield made
    made.close()


Reached = Callable[..., RemoteHost]


@pytest.fixture
def reached(login: Login) -> Iterator[Reached]:
    """`baye` by some way."""
    made: list[RemoteHost] = []

    def reach(way: Way, limits: Limits = LIMITS) -> RemoteHost:
        made.append(RemoteHost("baye", replace(login, via="gate"), lambda _: "", limits=limits, way=way))
        return made[-1]

    yield reach
    for host in made:
        host.close()


def test_hosts_at_ipv6_addresses_of_their_own_or_behind_another(tmp_path: Path) -> None:
    try:
        gate, host = Sshd("::1"), Sshd("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    login = host.login(tmp_path, "baye")
    assert login.known_hosts.read_text().startswith(f"[::1]:{host.port} ")
    jump = Jump("gate", gate.login(tmp_path, "gate"), HASTY)
    for way in (connect_tcp, jump.connect):
        open_client("baye", login, LIMITS, way)[0].close()
    assert gate.asked_for == [("::1", host.port)]
    jump.close()
    gate.stop()
    host.stop()


def test_a_host_behind_a_jump_host_is_one_like_any_other(
    gate: Sshd, sshd: Sshd, jump: Jump, reached: Reached, tmp_path: Path
) -> None:
    host = reached(jump.connect)
    assert host.run("echo", "there").stdout == "there\n"
    data = b"x" * 300_000  # more than a window of the channel that carries it
    host.write_file(str(tmp_path / "file"), data)
    assert (tmp_path / "file").read_bytes() == data
    assert gate.asked_for == [("127.0.0.1", sshd.port)]
    assert gate.commands == []  # a jump host need not have a shell
    assert host.fingerprint == sshd.host_key.fingerprint
    own = gate.transports[0].sock.getsockname()[1]
    assert own == gate.port


def test_machines_share_the_connection_to_their_jump_host(gate: Sshd, jump: Jump, reached: Reached) -> None:
    for host in (reached(jump.connect), reached(jump.connect)):
        assert host.run("true").ok
        with host.pinned_connection().client:
            pass
    assert len(gate.transports) == 1
    assert len(gate.asked_for) == 4


def test_jump_hosts_behind_jump_hosts(gate: Sshd, jump: Jump, reached: Reached, tmp_path: Path) -> None:
    second = Sshd()
    inner = Jump("inner", second.login(tmp_path, "inner"), HASTY, jump.connect)
    host = reached(inner.connect)
    assert host.run("echo", "there").stdout == "there\n"
    assert (len(gate.asked_for), len(second.asked_for)) == (1, 1)
    gate.stop()
    wait_for(lambda: not (jump.is_open or inner.is_open), "the loss to be noticed", 5, 0.01)
    with pytest.raises(errors.JumpUnreachable) as failure:
        host.run("true")
    assert failure.value.message.startswith(
        "baye is reached through inner: inner is reached through gate: gate (root@127.0.0.1 port "
    )
    inner.close()
    second.stop()


# -- every hop is verified, and told when it fails -----------------------------------------------------


def entry(server: Sshd, key: paramiko.PKey) -> str:
    return f"[127.0.0.1]:{server.port} {key.get_name()} {key.get_base64()}\n"


@pytest.mark.parametrize("other", [True, False])
def test_a_jump_host_with_another_key_or_none_known_carries_nothing(
    gate: Sshd, reached: Reached, tmp_path: Path, other: bool
) -> None:
    known = gate.login(tmp_path, "gate")
    known.known_hosts.write_text(entry(gate, paramiko.ECDSAKey.generate()) if other else "")
    with pytest.raises(errors.JumpUnusable, match=r"^baye is reached through gate: .*gate") as failure:
        reached(Jump("gate", known, HASTY).connect).run("true")
    assert gate.host_key.fingerprint in failure.value.message
    assert ("ssh-keygen" if other else "ssh-keyscan") in failure.value.hint
    assert gate.asked_for == []


def test_the_host_behind_it_is_verified_as_well(sshd: Sshd, login: Login, jump: Jump, reached: Reached) -> None:
    login.known_hosts.write_text(entry(sshd, paramiko.ECDSAKey.generate()))
    with pytest.raises(errors.HostKeyMismatch, match="through gate"):
        reached(jump.connect).run("true")
    login.known_hosts.write_text("")
    with pytest.raises(errors.HostKeyUnknown) as failure:
        reached(jump.connect).run("true")
    assert "on gate as there is no way from here: ssh-keyscan -p " in failure.value.hint


def test_a_jump_host_that_refuses_the_login(gate: Sshd, reached: Reached, tmp_path: Path) -> None:
    known = gate.login(tmp_path, "gate")
    gate.user_key = paramiko.ECDSAKey.generate()
    with pytest.raises(errors.JumpUnusable, match=r"gate .*refuses the login"):
        reached(Jump("gate", known, HASTY).connect).run("true")


def test_a_jump_host_that_forbids_forwarding(gate: Sshd, jump: Jump, reached: Reached) -> None:
    gate.forwards = False
    with pytest.raises(errors.JumpUnusable, match=r"^gate lets no connection go on to baye \(") as failure:
        reached(jump.connect).run("true")
    assert "AllowTcpForwarding" in failure.value.hint


def test_a_jump_host_that_is_away_is_not_the_hosts_fault(gate: Sshd, jump: Jump, reached: Reached) -> None:
    gate.stop()
    host = reached(jump.connect)
    with pytest.raises(errors.JumpUnreachable, match=r"^baye is reached through gate: gate .* refused"):
        host.run("true")
    with pytest.raises(errors.JumpUnreachable, match=r"^waited 0 s for .*: baye is reached through gate"):
        host.wait_until_reachable(0.1)


def test_a_host_that_the_jump_host_cannot_reach_is_unreachable(
    gate: Sshd, sshd: Sshd, jump: Jump, reached: Reached
) -> None:
    sshd.stop()
    with pytest.raises(errors.HostUnreachable, match=r"^baye .* cannot be reached from gate: Connect") as failure:
        reached(jump.connect).run("true")
    assert type(failure.value) is errors.HostUnreachable


def test_a_jump_host_that_falls_silent_is_told_from_a_silent_host(gate: Sshd, jump: Jump, reached: Reached) -> None:
    assert reached(jump.connect).run("true").ok
    gate.answers.clear()
    with pytest.raises(errors.JumpUnreachable, match="through gate, which does not answer any more"):
        reached(jump.connect, HASTY).run("true")
    assert not jump.is_open


def test_a_host_that_is_silent_behind_it(jump: Jump, login: Login) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = replace(login, port=silent.getsockname()[1])
        with pytest.raises(errors.HostUnreachable, match="does not answer as an SSH server"):
            open_client("baye", there, HASTY, jump.connect)
    assert jump.is_open


# -- lost, and found again ----------------------------------------------------------------------------


def test_a_lost_jump_host_is_connected_to_anew(gate: Sshd, jump: Jump, reached: Reached) -> None:
    host = reached(jump.connect)
    assert host.run("true").ok
    gate.drop()
    wait_for(lambda: not jump.is_open, "the loss to be noticed", 5, 0.01)
    assert host.run("echo", "again").stdout == "again\n"
    assert len(gate.transports) == 2


def test_a_peer_that_falls_silent_behind_a_jump_host_is_found_out(gate: Sshd, jump: Jump, login: Login) -> None:
    limits = replace(LIMITS, keepalive=1, silence=0.5)
    client, transport = open_client("baye", login, limits, jump.connect)
    with client:
        transport.join(1.5)
        assert transport.is_active()  # it has answered
        gate.flows.clear()
        wait_for(lambda: not transport.is_active(), "the silence to be noticed", 5, 0.05)
        assert jump.is_open


def test_an_echo_tells_a_machine_on_the_way_that_was_lost_from_its_peer(
    gate: Sshd, sshd: Sshd, jump: Jump, reached: Reached
) -> None:
    for lost, on_the_way in ((gate, True), (sshd, False)):
        pinned = reached(jump.connect).pinned_connection()
        echo = pinned.echo(0.05)
        assert echo.wait_for_more(5)
        lost.drop()
        wait_for(lambda pinned=pinned: not pinned.alive, "the loss to be noticed", 5, 0.01)
        wait_for(lambda echo=echo: not echo.wait_for_more(0.3), "its end", 5, 0.01)
        echoed = echo.finish(1.0)
        assert not echoed.whole
        assert echoed.lost_on_the_way is on_the_way
        assert ("a machine on the way was lost" in str(echoed)) is on_the_way


# -- more ways than one -------------------------------------------------------------------------------


def test_whichever_of_two_ways_is_there_is_taken(gate: Sshd, jump: Jump, reached: Reached, tmp_path: Path) -> None:
    away = Sshd()
    other = Jump("away", away.login(tmp_path, "away"), HASTY)
    away.stop()
    assert reached(through([other, jump])).run("echo", "there").stdout == "there\n"
    assert jump.is_open
    gate.forwards = False
    with pytest.raises(CannotObserve, match="gate lets no connection go on"):
        reached(through([other, jump])).run("true")


def test_a_way_that_is_open_is_tried_first(gate: Sshd, jump: Jump, reached: Reached, tmp_path: Path) -> None:
    spare = Sshd()
    other = Jump("spare", spare.login(tmp_path, "spare"), HASTY)
    assert reached(jump.connect).run("true").ok
    assert reached(through([other, jump])).run("true").ok
    assert spare.transports == []
    spare.stop()


def test_that_the_machine_is_silent_counts_more_than_a_way_that_is_closed(
    sshd: Sshd, jump: Jump, reached: Reached, tmp_path: Path
) -> None:
    away = Sshd()
    other = Jump("away", away.login(tmp_path, "away"), HASTY)
    away.stop()
    sshd.stop()
    with pytest.raises(errors.HostUnreachable, match="cannot be reached from gate") as failure:
        reached(through([other, jump])).run("true")
    assert type(failure.value) is errors.HostUnreachable


def test_without_a_jump_host_nothing_is_different(sshd: Sshd, reached: Reached) -> None:
    assert reached(connect_tcp).run("echo", "there").stdout == "there\n"
