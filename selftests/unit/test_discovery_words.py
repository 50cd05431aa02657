"""What a call says of a lab, what a lab.toml says already, and how more is added to one."""

from dataclasses import replace
from pathlib import Path

import pytest

from xenlab.discovery import given
from xenlab.discovery.given import Given, GivenShare, SshTarget
from xenlab.discovery.proposal import Missing, Proposal, Proposed
from xenlab.discovery.writing import merged, parsed, save, still_missing, written
from xenlab.errors import UsageError
from xenlab.xen import found_configs, peers

LAB = """\
name = "team-7"
[share]
mount_point = "/mnt/private"
[[jumps]]
name = "gate"
address = "gate.example.org"
user = "student"
[[jumps]]
name = "inner"
address = "10.0.0.1"
via = "gate"
[[hosts]]
name = "left"
address = "10.1.1.189"
ssh_address = "203.0.113.7"
port = 2222
via = "inner"
key_file = "id"
[[hosts]]
address = "10.1.1.143"
[[guests]]
name = "guest1"
address = "10.1.1.85"
user = "lab"
via = "hosts"
[[guests]]
name = "guest2"
login = "console"
ping_target = "10.1.1.1"
"""
SEEN = Proposal(
    name=Proposed("left-right", "the names of its hosts"),
    shares=({key: Proposed(value, "seen") for key, value in (("server", "right"), ("mount_point", "/mnt/other"))},),
    hosts=(
        {"name": Proposed("left", "uname -n"), "user": Proposed("root", "seen")},
        {"name": Proposed("right", "seen")},
    ),
    guests=({"name": Proposed("guest1", "seen"), "swap": Proposed(True, "blkid")},),
)


# What a call says


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("192.0.2.189", SshTarget("192.0.2.189")),
        ("lab@baye.lab:2222", SshTarget("baye.lab", "lab", 2222)),
        ("root@2001:db8::7", SshTarget("2001:db8::7")),
        ("lab@[2001:db8::7]:2222", SshTarget("2001:db8::7", "lab", 2222)),
        ("[2001:DB8:0::7]", SshTarget("2001:db8::7")),
        ("lab@fe80::7%xenbr0", SshTarget("fe80::7%xenbr0", "lab")),
        ("[fe80::7%xenbr0]:22", SshTarget("fe80::7%xenbr0")),
    ],
)
def test_whom_to_log_in_on(text: str, target: SshTarget) -> None:
    assert given.target(text) == target
    assert given.target(str(target)) == target


@pytest.mark.parametrize(
    "text", ["", "root@", "a b", "baye:0", "baye:70000", "baye:ssh", "@baye", "2001:db8::x", "[baye]:22"]
)
def test_what_is_nobody_to_log_in_on(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no .USER@.HOST"):
        given.target(text)


def test_a_share_by_its_mount_point_or_as_a_whole() -> None:
    assert given.share("/mnt/private") == GivenShare("/mnt/private")
    assert given.share("nas.lab:/vol/a=b=/mnt/p") == GivenShare("/mnt/p", "nas.lab", "/vol/a=b")
    assert given.share("[2001:db8::9]:/vol=/mnt/p") == GivenShare("/mnt/p", "2001:db8::9", "/vol")
    assert given.share("2001:db8::9:/vol=/mnt/p") == GivenShare("/mnt/p", "2001:db8::9", "/vol")
    for odd in ("private", "baye:/srv", "baye=/mnt", ":/srv=/mnt", "baye:srv=/mnt"):
        with pytest.raises(UsageError, match="is no share"):
            given.share(odd)


def test_names_with_values() -> None:
    assert given.pairs("--guest", ["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    for odd in ("a", "=1", "a="):
        with pytest.raises(UsageError, match=r"--guest .*is no NAME=VALUE"):
            given.pairs("--guest", [odd])


def test_an_answer_is_what_its_option_would_be() -> None:
    asked = [
        ("--share", "", "/mnt/p", Given(shares=(GivenShare("/mnt/p"),))),
        ("--host", "left=", "10.1.1.1", Given(hosts={"left": "10.1.1.1"})),
        ("--guest", "guest1=", "lab@10.1.1.85", Given(guests={"guest1": "lab@10.1.1.85"})),
        ("--config", "guest1=", "/mnt/p/a.cfg", Given(configs={"guest1": "/mnt/p/a.cfg"})),
        ("--home", "guest1=", "left", Given(homes={"guest1": "left"})),
        ("--ping-target", "", "10.1.1.1", Given(ping_target="10.1.1.1")),
    ]
    for option, prefix, value, after in asked:
        assert given.answered(Given(), option, prefix, value) == after
        assert Missing("", "", option, prefix).given(value) == (option, f"{prefix}{value}")
    for option, value in (("--guest", "guest1.lab"), ("--fingerprint", "SHA256:abc")):
        with pytest.raises(UsageError):
            given.answered(Given(), option, "guest1=", value)


# What a lab.toml says


def test_what_a_lab_file_says_is_not_looked_for_again() -> None:
    data = parsed(LAB).unwrap()
    assert given.of_lab_file(data) == Given(
        name="team-7",
        shares=(GivenShare("/mnt/private"),),
        hosts={"left": "10.1.1.189"},
        guests={"guest1": "lab@10.1.1.85"},
        ping_target="10.1.1.1",
        own_ways=frozenset({"guest2"}),
    )
    assert given.targets_of(data) == (SshTarget("203.0.113.7", "root", 2222), SshTarget("10.1.1.143"))
    assert given.names_of(data) == {"203.0.113.7": "left"}
    assert given.of_lab_file({}) == Given()


def test_its_login_leads_through_all_jump_hosts_in_order() -> None:
    login = given.login_of(parsed(LAB).unwrap())
    assert login.jumps == (SshTarget("gate.example.org", "student"), SshTarget("10.0.0.1"))
    assert (login.key_file, login.known_hosts) == ("id", "")
    circle = {"hosts": [{"via": "a"}], "jumps": [{"name": "a", "address": "x", "via": "a"}]}
    assert given.login_of(circle).jumps == (SshTarget("x"),)


def test_the_last_word_is_the_calls() -> None:
    call = Given(name="other", guests={"guest1": "10.1.1.9"}, left_out=frozenset({"guest2"}))
    both = call.over(given.of_lab_file(parsed(LAB).unwrap()))
    assert (both.name, both.guests["guest1"], both.hosts["left"]) == ("other", "10.1.1.9", "10.1.1.189")


def test_what_a_lab_file_has_is_not_missing() -> None:
    data = parsed(LAB).unwrap()
    keys = ["guests.guest1.address", "guests.guest2.address", "hosts.left.address", "share", "guests"]
    left = still_missing(data, tuple(Missing(key, "") for key in keys))
    assert [one.key for one in left] == ["guests.guest2.address", "share", "guests"]


# Adding to it


def test_what_is_added_stands_within_its_table_and_all_else_as_it_was() -> None:
    text = LAB.replace("[[guests]]", "# of artem's\n[[guests]]", 1)
    more = merged(text, SEEN)
    assert [line for line in more.splitlines() if line and line not in text.splitlines()] == [
        'server = "right"  # seen',
        'user = "root"  # seen',
        'name = "right"  # seen',
        "swap = true  # blkid",
    ]
    assert '# of artem\'s\n[[guests]]\nname = "guest1"' in more
    assert merged(more, SEEN) == more
    assert parsed(more).unwrap()["share"] == {"mount_point": "/mnt/private", "server": "right"}


def test_a_pace_of_ones_own_is_left_alone() -> None:
    paced = replace(SEEN, probes={"max_inside_lost": Proposed(8, "emulated")}, timeouts={"x": Proposed(1, "emulated")})
    assert "max_inside_lost" not in merged(f"{LAB}[timeouts]\nboot_seconds = 9\n", paced)
    assert "max_inside_lost = 8  # emulated" in merged(LAB, paced)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("name = ", "not valid TOML"), ("hosts = [{name = 'a'}]", "hosts is not written"), ("share = 1", "share is not")],
)
def test_what_nothing_can_be_added_to_is_said(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        merged(text, SEEN)


def test_a_new_file_says_what_it_is() -> None:
    text = written(SEEN)
    assert text.startswith("# Found by `./lab init`")
    assert parsed(text).unwrap()["guests"] == [{"name": "guest1", "swap": True}]


def test_only_what_was_read_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    save(path, "one\n")
    with pytest.raises(UsageError, match="is there already"):
        save(path, "two\n")
    with pytest.raises(UsageError, match="changed meanwhile"):
        save(path, "two\n", over="none\n")
    save(path, "two\n", over="one\n")
    assert path.read_text() == "two\n"
    assert [file.name for file in tmp_path.iterdir()] == ["lab.toml"]
    with pytest.raises(UsageError, match="No such file"):
        save(tmp_path / "no" / "lab.toml", "one\n")


# What is typed on hosts


def test_what_could_not_be_read_among_configs_is_told_but_what_is_not_there_is_no_news() -> None:
    said = (
        "find: '/etc/xen': No such file or directory\nfind: '/mnt/private/artem': Permission denied\n"
        "head: cannot open '/mnt/private/a.cfg' for reading: Permission denied\n"
        "head: error reading '/mnt/private/b.cfg': Input/output error\n"
    )
    assert found_configs.complaints(said) == (
        ("/mnt/private/artem", "Permission denied"),
        ("/mnt/private/a.cfg", "Permission denied"),
        ("/mnt/private/b.cfg", "Input/output error"),
    )


def test_a_try_of_the_peer_is_what_migrate_does_without_leaving_anything() -> None:
    tried = peers.try_peer("baye", 2222)
    assert tried[-len(peers.ask_peer("baye", 2222)[1:]) :] == peers.ask_peer("baye", 2222)[1:]
    assert {"StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlPath=none"} <= set(tried)
