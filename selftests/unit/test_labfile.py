"""The lab file: what is read, and what is said about what is wrong."""

from pathlib import Path

import pytest

from xenlab.errors import UsageError
from xenlab.labfile import LabFile, load
from xenlab.labfile_limits import ProbeSpec
from xenlab.remote.login import Login, secrets_of
from xenlab.tomlfile import dump

GOOD = """
name = "lia-lab-2"

[share]
server = "baye"
export = "/srv/private"
mount_point = "/mnt/private"

[probes]
max_outside_gap_ms = 20000

[timeouts]
boot_seconds = 300

[[hosts]]
name = "labubuntu"
address = "10.1.1.189"
key_file = "keys/id"
known_hosts = "known_hosts"
port = 22

[[hosts]]
name = "baye"
address = "10.1.1.143"
password_env = "BAYE_PASSWORD"
known_hosts = "known_hosts"

[[guests]]
name = "guest1"
config = "/mnt/private/artem/guest1.cfg"
original_config = "/home/artem/guest1.cfg"
home = "labubuntu"
address = "10.1.1.85"
ping_target = "10.1.1.1"
root_device = "xvda1"
swap = true

[[guests]]
name = "guest2"
config = "/mnt/private/gaspar/guest2.cfg"
home = "baye"
address = "10.1.1.86"
ping_target = "google.com"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "id").touch()
    (tmp_path / "known_hosts").touch()
    path = tmp_path / "lab.toml"
    path.write_text(GOOD)
    return path


def problems(file: Path, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    with pytest.raises(UsageError) as refusal:
        load(file)
    return refusal.value.message.splitlines()


def test_a_good_file(file: Path) -> None:
    lab = load(file)
    assert (lab.name, lab.kind) == ("lia-lab-2", "real")
    home, server = lab.hosts
    assert (home.user, home.port) == ("root", 22)
    assert home.key_file == file.parent / "keys/id"
    assert server.password_env == "BAYE_PASSWORD"
    first, second = lab.guests
    assert first.swap
    assert second.known_hosts == Path("~/.ssh/known_hosts").expanduser()
    assert (lab.probes.outside_interval_ms, lab.probes.max_outside_gap_ms) == (50, 20000)
    assert lab.probes.settled_seconds == lab.probes.settle_seconds > 0.6
    assert (lab.timeouts.command_seconds, lab.timeouts.boot_seconds) == (60, 300)


def test_what_is_dumped_is_read_back(file: Path) -> None:
    lab = load(file)
    copy = file.with_name("copy.toml")
    copy.write_text(dump(lab))
    assert load(copy) == lab
    assert 'name = "guest1"' in copy.read_text()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            '"10.1.1.143"',
            '"x"',
            "hosts.1.address: 'x' is not an IP address (IPv4 or IPv6, such as 10.1.1.85)",
        ),
        ('"10.1.1.85"', '"224.0.0.1"', "guests.0.address: '224.0.0.1' is not the address of one machine"),
        ('"10.1.1.85"', '"::"', "guests.0.address: '::' is not the address of one machine"),
        ('"10.1.1.85"', '"127.0.0.1"', "guests.0.address: '127.0.0.1' is not the address of one machine"),
        ('"10.1.1.143"', '"10.1.1.189"', "hosts.1.address: 10.1.1.189 is already that of hosts.0"),
        ('"10.1.1.86"', '"10.1.1.85"', "guests.1.address: 10.1.1.85 is already that of guests.0"),
        ('"10.1.1.86"', '"10.1.1.143"', "guests.1.address: 10.1.1.143 is already that of hosts.1"),
        ('"guest2"', '"guest1"', "guests.1.name: 'guest1' is already the name of guests.0"),
        ('target = "10.1.1.1"', 'target = "10.1.1.85"', "guests.0.ping_target: 10.1.1.85 is its own address"),
        ('target = "10.1.1.1"', 'target = "10.1.1.86"', "guests.0.ping_target: 10.1.1.86 is guest2's address"),
        ("gaspar/guest2.cfg", "artem/guest1.cfg", "guests.1.config: /mnt/private/artem/guest1.cfg is already that of"),
        (
            '"/home/artem/guest1.cfg"',
            '"/mnt/private/artem/guest1.cfg"',
            "guests.0.original_config: is the config itself",
        ),
        ('"labubuntu"', '"baye"', "hosts.1.name: 'baye' is already the name of hosts.0"),
        ('home = "baye"', 'home = "bye"', "guests.1.home: 'bye' is not a host: allowed are labubuntu, baye"),
        ('server = "baye"', 'server = "b"', "share.server: 'b' is not a host: allowed are labubuntu, baye; of a third"),
        (
            "/mnt/private/artem",
            "/mnt/privateer",
            "guests.0.config: '/mnt/privateer/guest1.cfg' is not on the share: it must be below /mnt/private",
        ),
        (
            "/mnt/private/artem",
            "/mnt/private/..",
            "guests.0.config: '/mnt/private/../guest1.cfg' is not an abs",
        ),
        ('"/srv/private"', '"private"', "share.export: 'private' is not an absolute path"),
        ("keys/id", "keys/none", "hosts.0.key_file: there is no file "),
        ("keys/id", "~nobody-of-that-name/id", "hosts.0.key_file: there is no such user as that of ~nobody"),
        ("keys/id", "x" * 300, "hosts.0.key_file: "),
        ("swap = true", "swap = 1", "guests.0.swap: 1 is not allowed: it must be a valid boolean"),
        ("port = 22", "ports = 22", "hosts.0.ports: unknown key: allowed are name, address, user, port"),
        ("[timeouts]", "[timeout]", "timeout: unknown key: allowed are name, kind, share"),
        ("boot_seconds", "boots", "timeouts.boots: unknown key: allowed are command_seconds, boot_seconds"),
        ('password_env = "BAYE_PASSWORD"', 'password = "x"', "hosts.1.password: a lab file holds no secrets"),
        ('ping_target = "10.1.1.1"\n', "", "guests.0.ping_target: is missing and must be given"),
        ('"google.com"', '"-f"', "guests.1.ping_target: '-f' is neither an IP address nor a host name"),
        ('"google.com"', '"fe80::1"', "guests.1.ping_target: 'fe80::1' is link-local: it needs the device that leads"),
        ('"google.com"', '"[2001:db8::1]"', "guests.1.ping_target: '[2001:db8::1]': an IPv6 address stands here"),
        ('"google.com"', '"10.1.1.400"', "guests.1.ping_target: '10.1.1.400' is not an IP address"),
        ("gap_ms = 20000", "gap_ms = 0", "probes.max_outside_gap_ms: 0 is not allowed: it must be greater"),
        ('name = "lia-lab-2"', "", "name: is missing and must be given"),
        ('name = "lia-lab-2"', 'name = "../x"', "name: '../x' is not a name"),
        (
            'name = "lia-lab-2"',
            'kind = "replay"\nname = "x"',
            'kind: "replay" is not allowed: it must be \'em',
        ),
        ("port = 22", 'port = "22"', 'hosts.0.port: "22" is not allowed: it must be a valid integer'),
        ('name = "lia-lab-2"', "name = lia", "not valid TOML: Invalid value (at line 2, column 8)"),
    ],
)
def test_one_clear_line(file: Path, old: str, new: str, line: str) -> None:
    said = [each for each in problems(file, (old, new)) if each.startswith(f"lab.toml: {line}")]
    assert len(said) == 1


BEHIND = """
[[jumps]]
name = "gate"
address = "gate.example.org"
user = "student"
port = 2222
password_env = "GATE_PASSWORD"

[[jumps]]
name = "inner"
address = "127.0.0.1"
via = "gate"
"""


def behind(file: Path, *changes: tuple[str, str]) -> LabFile:
    """The lab behind two jump hosts, its guests behind the hosts."""
    text = GOOD + BEHIND
    for old, new in (
        ('address = "10.1.1.189"', 'address = "10.1.1.189"\nvia = "inner"'),
        ('address = "10.1.1.143"', 'address = "10.1.1.143"\nssh_address = "127.0.0.1"\nvia = "inner"'),
        ('address = "10.1.1.85"', 'address = "10.1.1.85"\nvia = "hosts"'),
        ('address = "10.1.1.86"', 'address = "10.1.1.86"\nvia = "baye"'),
        *changes,
    ):
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    return load(file)


def test_machines_behind_others(file: Path) -> None:
    lab = behind(file, ("max_outside", 'outside_from = "gate"\nmax_outside'))
    assert [host.via for host in lab.hosts] == ["inner", "inner"]
    assert [guest.via for guest in lab.guests] == ["hosts", "baye"]
    assert [(jump.ssh_host, jump.port, jump.via) for jump in lab.jumps] == [
        ("gate.example.org", 2222, None),
        ("127.0.0.1", 22, "gate"),
    ]
    assert [host.ssh_host for host in lab.hosts] == ["10.1.1.189", "127.0.0.1"]
    assert [host.among_hosts for host in lab.hosts] == ["10.1.1.189", "10.1.1.143"]
    assert lab.probes.outside_from == "gate"
    copy = file.with_name("copy.toml")
    copy.write_text(dump(lab))
    assert load(copy) == lab


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'via = "inner"',
            'via = "labubuntu"',
            "hosts.0.via: 'labubuntu' is no machine that it could be reached through",
        ),
        ('via = "inner"', 'via = "gat"', "hosts.0.via: 'gat' is no machine that it could be reached through: allowed "),
        ('via = "inner"', 'via = "hosts"', "hosts.0.via: 'hosts' is no machine that it could be reached through"),
        ('via = "baye"', 'via = "guest1"', "guests.1.via: 'guest1' is no machine that it could be reached through"),
        ('via = "gate"', 'via = "baye"', "jumps.1.via: 'baye' is no machine that it could be reached through: allowed"),
        ("port = 2222", 'via = "inner"', "jumps.0.via: the way to gate leads through itself"),
        ('name = "gate"', 'name = "hosts"', "jumps.0.name: 'hosts' has a meaning of its own in this file"),
        ('name = "guest2"', 'name = "runner"', "guests.1.name: 'runner' has a meaning of its own in this file"),
        ('name = "inner"', 'name = "guest1"', "jumps.1.name: 'guest1' is already the name of guests.0"),
        ('"gate.example.org"', '"-x"', "jumps.0.address: '-x' is neither an IP address nor a host name"),
        ("port = 2222", "prot = 2222", "jumps.0.prot: unknown key: allowed are name, address, user, port"),
        (
            'user = "student"',
            'user = "student"\nssh_address = "x"',
            "jumps.0.ssh_address: unknown key: allowed are name, address, user, port",
        ),
        (
            'address = "10.1.1.189"',
            'address = "10.1.1.189"\nssh_address = "127.0.0.1"',
            "hosts.1.ssh_address: 127.0.0.1 port 22 is already that of hosts.0",
        ),
        (
            'via = "baye"',
            'via = "baye"\nlogin = "console"\npassword_env = "X"',
            'guests.1.via: a console is reached through its host: leave it out with login = "console"',
        ),
        (
            "max_outside",
            'outside_from = "moon"\nmax_outside',
            "probes.outside_from: 'moon' is not allowed: it must be runner, hosts, labubuntu, baye, gate, inner",
        ),
    ],
)
def test_one_clear_line_on_ways(file: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(UsageError) as refusal:
        behind(file, (old, new))
    said = refusal.value.message.splitlines()
    assert len([each for each in said if each.startswith(f"lab.toml: {line}")]) == 1


def test_hosts_may_be_reached_through_each_other_but_not_in_a_ring(file: Path) -> None:
    one = ('ssh_address = "127.0.0.1"\nvia = "inner"', 'via = "labubuntu"')
    assert behind(file, one).hosts[1].via == "labubuntu"
    with pytest.raises(UsageError, match=r"hosts\.0\.via: the way to labubuntu leads through itself"):
        behind(file, one, ('via = "inner"', 'via = "baye"'))


def test_a_missing_jump_host_is_asked_for(file: Path) -> None:
    said = problems(file, ('address = "10.1.1.189"', 'address = "10.1.1.189"\nvia = "gate"'))
    assert said == ["lab.toml: hosts.0.via: 'gate' is no machine that it could be reached through: allowed are baye"]


def test_a_jump_hosts_password_is_a_secret_as_well(file: Path) -> None:
    lab = behind(file)
    assert secrets_of(lab, {"GATE_PASSWORD": "opens"}) == ("opens",)
    assert Login.of(lab.jumps[0], {"GATE_PASSWORD": "opens"}).password == "opens"
    assert (Login.of(lab.guests[1], {}).via, Login.of(lab.jumps[0], {"GATE_PASSWORD": "x"}).via) == ("baye", "")


def test_a_secret_is_not_repeated(file: Path) -> None:
    said = problems(file, ('password_env = "BAYE_PASSWORD"', 'password = "hunter2"'))
    assert len(said) == 1
    assert "hunter2" not in said[0]
    assert said[0].endswith("name an environment variable in password_env instead")


def test_every_problem_is_told(file: Path) -> None:
    said = problems(file, ('"10.1.1.143"', '"x"'), ("port = 22", "prot = 22"), ("keys/id", "keys/none"))
    assert len(said) == 3
    said = problems(file, ('home = "baye"', 'home = "b"'), ('server = "baye"', 'server = "b"'))
    assert len(said) == 2
    assert all(line.startswith("lab.toml: ") for line in said)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_lab_has_two_hosts(file: Path, count: int) -> None:
    before, host, *rest = GOOD.split("[[hosts]]")
    guests = "[[guests]]" + rest[0].split("[[guests]]", 1)[1]
    file.write_text(before + "".join(f"[[hosts]]{host}" for _ in range(count)) + guests)
    with pytest.raises(UsageError) as refusal:
        load(file)
    assert "lab.toml: hosts: a lab has exactly two hosts: write two [[hosts]] tables" in refusal.value.message
    assert len(refusal.value.message.splitlines()) == 1


def test_hosts_may_reach_each_other_by_another_name(file: Path) -> None:
    file.write_text(GOOD.replace("port = 22", 'peer_address = "labubuntu.lab"\npeer_port = 2222'))
    first, second = load(file).hosts
    assert (first.among_hosts, first.port_among_hosts) == ("labubuntu.lab", 2222)
    assert (second.among_hosts, second.port_among_hosts) == ("10.1.1.143", 22)


def test_a_lab_need_not_prescribe_swap(file: Path) -> None:
    assert [guest.swap for guest in load(file).guests] == [True, None]


def test_a_lab_has_guests(file: Path) -> None:
    start = GOOD.index("[[guests]]")
    file.write_text("guests = []\n" + GOOD[:start])
    with pytest.raises(UsageError, match=r"lab.toml: guests: at least one is needed"):
        load(file)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file") as refusal:
        load(tmp_path / "lab.toml")
    assert "docs/lab-file.md" in refusal.value.hint
    (tmp_path / "lab.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(tmp_path / "lab.toml")


def test_a_lab_made_by_hand_is_checked_too(file: Path) -> None:
    lab = load(file)
    with pytest.raises(ValueError, match="already that of"):
        LabFile(name="x", share=lab.shares, hosts=(lab.hosts[0], lab.hosts[0]), guests=lab.guests)
    assert LabFile(name="x", share=lab.shares, hosts=lab.hosts, guests=lab.guests).probes == ProbeSpec()


def test_a_guest_by_its_console_needs_a_password_and_takes_no_key(file: Path) -> None:
    target = 'ping_target = "google.com"'
    by_console = f'{target}\nlogin = "console"'
    assert problems(file, (target, by_console)) == [
        'lab.toml: guests.1.password_env: must be given with login = "console": name what holds the password'
    ]
    with_both = f'{by_console}\npassword_env = "GUEST2_PASSWORD"\nkey_file = "keys/id"'
    assert problems(file, (target, with_both)) == [
        'lab.toml: guests.1.key_file: a console takes no key: leave it out with login = "console"'
    ]
    by_old_ssh = f'{by_console}\npassword_env = "GUEST2_PASSWORD"\nold_ssh = true'
    assert problems(file, (target, by_old_ssh)) == [
        'lab.toml: guests.1.old_ssh: a console is no SSH: leave it out with login = "console"'
    ]
    assert problems(file, (target, f'{target}\nlogin = "telnet"')) == [
        "lab.toml: guests.1.login: \"telnet\" is not allowed: it must be 'ssh' or 'console'"
    ]
    file.write_text(GOOD.replace(target, f'{by_console}\npassword_env = "GUEST2_PASSWORD"'))
    assert [guest.login for guest in load(file).guests] == ["ssh", "console"]


def test_the_password_comes_from_the_environment(file: Path) -> None:
    server = load(file).hosts[1]
    login = Login.of(server, {"BAYE_PASSWORD": "hunter2"})
    assert (login.address, login.password) == ("10.1.1.143", "hunter2")
    assert "hunter2" not in repr(login)
    with pytest.raises(UsageError, match="BAYE_PASSWORD"):
        Login.of(server, {})


def test_every_password_of_a_lab_is_a_secret(file: Path) -> None:
    file.write_text(GOOD + 'password_env = "GUEST2_PASSWORD"\n')
    lab = load(file)
    assert secrets_of(lab, {"BAYE_PASSWORD": "hunter2", "GUEST2_PASSWORD": "s3cret", "OTHER": "x"}) == (
        "hunter2",
        "s3cret",
    )
    assert secrets_of(lab, {"BAYE_PASSWORD": "hunter2", "GUEST2_PASSWORD": "hunter2"}) == ("hunter2",)
    assert secrets_of(lab, {"BAYE_PASSWORD": ""}) == ()


def test_sudo_is_used_unless_the_lab_file_says_otherwise(file: Path) -> None:
    environ = {"BAYE_PASSWORD": "hunter2"}
    assert Login.of(load(file).hosts[1], environ).sudo
    file.write_text(GOOD + "sudo = false\n")
    assert [Login.of(machine, environ).sudo for machine in load(file).guests] == [True, False]


def test_probes_run_long_enough_for_writes_to_be_judged() -> None:
    assert ProbeSpec(settle_seconds=0, write_interval_ms=1000).settled_seconds == 3.0
    assert ProbeSpec(settle_seconds=5, write_interval_ms=1000).settled_seconds == 5.0


@pytest.mark.parametrize("key", ["heartbeat_interval_ms", "write_interval_ms", "echo_interval_ms"])
def test_a_pace_at_which_a_right_disk_would_seem_to_wait_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="less than or equal to 1000"):
        ProbeSpec.model_validate({key: 1001})
