"""Where a guest is, by one look at each host: what is sure, what is in doubt, and what to do by hand."""

import pytest

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.looks import DomainsLook, Unknown
from xenlab.lab.places import Places, by_hand, places_of
from xenlab.xen.parsers import DomainRow
from xenlab.xen.xenstore import StoredDomain

SILENT = Unknown("baye cannot be reached: no answer")
RUNS, PAUSED = "-b----", "--p---"


def look(host: str, *, migrations: dict[int, str] | Unknown | None = None, **states: str) -> DomainsLook:
    """One host's domains with their states; "__" stands for "--" in a name."""
    names = {name.replace("__", "--"): state for name, state in states.items()}
    rows = [DomainRow("Domain-0", 0, 1024, 2, "r-----", 9.0)]
    rows += [DomainRow(name, at, 128, 1, state, 1.0) for at, (name, state) in enumerate(names.items(), 1)]
    stored = tuple(StoredDomain(row.domid, row.name) for row in rows)
    return DomainsLook(host, (f"cmd-{host}",), 0.0, tuple(rows), stored, migrations or {})


def unseen(host: str = "baye") -> DomainsLook:
    return DomainsLook(host, (f"cmd-{host}",), 0.0, SILENT, SILENT, SILENT)


def places(*looks: DomainsLook) -> Places:
    return places_of("guest1", looks)


def test_on_one_host_only() -> None:
    seen = places(look("labubuntu", guest1=RUNS, guest10=RUNS), look("baye", mail=RUNS))
    assert (seen.host, seen.is_off, seen.words) == ("labubuntu", False, "on labubuntu (-b----)")
    assert seen.row is not None
    assert seen.row.alive
    assert seen.whole_on() == "labubuntu"
    assert seen.ids == ("cmd-labubuntu", "cmd-baye")


def test_on_neither() -> None:
    seen = places(look("labubuntu", guest10=RUNS), look("baye"))
    assert (seen.host, seen.is_off, seen.words) == (None, True, "on neither host")
    with pytest.raises(LabFault, match="guest1 is on neither host") as fault:
        seen.whole_on()
    assert fault.value.hint == "it went off by itself: look at `xl dmesg`"
    assert seen.row is None
    assert fault.value.evidence == seen.ids


def test_on_both_is_a_fault_and_nothing_is_ended_by_hand() -> None:
    seen = places(look("labubuntu", guest1=RUNS), look("baye", guest1="r-----"))
    assert (seen.host, seen.is_off) == (None, False)
    with pytest.raises(LabFault, match=r"labubuntu \(-b----\) and baye \(r-----\)") as fault:
        seen.whole_on()
    assert "xl pause guest1" in fault.value.hint
    assert "destroy" not in fault.value.hint


@pytest.mark.parametrize("name", ["guest1__incoming", "guest1__migratedaway"])
@pytest.mark.parametrize("beside", [{}, {"guest1": RUNS}])
def test_a_half_is_neither_off_nor_somewhere(name: str, beside: dict[str, str]) -> None:
    """H2: the exact name alone would say "off", and a third copy would be made."""
    seen = places(look("labubuntu", **beside), look("baye", **{name: PAUSED}))
    assert (seen.host, seen.is_off, seen.is_on_the_way) == (None, False, True)
    assert f"baye as {name.replace('__', '--')}" in seen.words
    with pytest.raises(LabFault) as fault:
        seen.whole_on()
    assert "xl rename" in fault.value.hint
    assert "destroy" not in fault.value.hint


def test_another_guests_half_is_not_its() -> None:
    seen = places(look("labubuntu", guest1=RUNS), look("baye", guest10__incoming=PAUSED, mail__incoming=PAUSED))
    assert seen.host == "labubuntu"
    assert not seen.is_on_the_way


@pytest.mark.parametrize("beside", [{}, {"guest1": RUNS}])
def test_a_silent_host_is_no_proof_of_anything(beside: dict[str, str]) -> None:
    seen = places(look("labubuntu", **beside), unseen())
    assert (seen.host, seen.is_off) == (None, False)
    assert "xl list on baye: baye cannot be reached" in seen.words
    with pytest.raises(CannotObserve, match="cannot be told") as doubt:
        seen.whole_on()
    assert doubt.value.evidence == seen.ids
    assert doubt.value.hint


def test_with_both_silent_nobody_knows() -> None:
    assert places(unseen("labubuntu"), unseen()).words.startswith("nobody knows where")


@pytest.mark.parametrize("part", ["stored", "migrations"])
def test_half_a_look_is_no_look(part: str) -> None:
    whole = look("baye")
    facts = {"rows": whole.rows, "stored": whole.stored, "migrations": whole.migrations, part: Unknown("it hangs")}
    half = DomainsLook("baye", ("cmd-2",), 0.0, **facts)  # type: ignore[arg-type]
    seen = places(look("labubuntu", guest1=RUNS), half)
    assert (seen.host, seen.is_off) == (None, False)
    assert "it hangs" in seen.words


@pytest.mark.parametrize(
    "args",
    [
        "xl migrate guest1 10.1.1.143",
        "/usr/sbin/xl -vvv migrate -s 'ssh -o BatchMode=yes' guest1 baye",
        'sh -c "$@" >"$0".log 2>&1 /run/xenlab-1a2b/guest1-1 xl migrate -s ssh guest1 10.1.1.143',
        'sh -c "$@" >"$0".log 2>&1 /run/xenlab-1a2b/guest1-2 xl create /mnt/private/artem/guest1.cfg',
        'sh -c "$@" >"$0".log 2>&1 /run/xenlab-1a2b/guest1-3 timeout 180 xl shutdown -w guest1',
    ],
)
def test_a_guest_that_is_being_sent_is_on_no_host(args: str) -> None:
    """H4: still listed on the source, it would be taken for being there, and in place."""
    seen = places(look("labubuntu", migrations={7: args}, guest1=RUNS), look("baye"))
    assert (seen.host, seen.busy, seen.is_on_the_way) == (None, ("labubuntu",), True)
    assert "an act on it under way on labubuntu" in seen.words
    assert by_hand(seen).startswith("wait until no xl migrate, create or shutdown of guest1 runs on labubuntu; then")
    with pytest.raises(CannotObserve):
        seen.whole_on()


@pytest.mark.parametrize(
    "args",
    [
        "xl migrate mail baye",
        "xl migrate-receive",
        "/usr/lib/xen/bin/libxl-save-helper --save 8",
        "xl migrate guest10 b",
        "xl create /mnt/private/artem/guest1.cfg",
        "sh -c /run/xenlab-1a2b/guest10-1 xl create x",
    ],
)
def test_others_migrations_and_the_monitor_of_an_arrived_guest_are_not_its(args: str) -> None:
    """H6: an arrived guest keeps its `xl migrate-receive` for life."""
    seen = places(look("labubuntu", migrations={7: args}, guest1=RUNS), look("baye"))
    assert (seen.host, seen.busy) == ("labubuntu", ())


def test_two_witnesses_that_disagree_are_a_doubt() -> None:
    swapped = look("labubuntu")  # xl says that it is not here, xenstore that it is
    swapped = DomainsLook(
        "labubuntu", ("cmd-1",), 0.0, swapped.rows, (StoredDomain(0, "Domain-0"), StoredDomain(4, "guest1")), {}
    )
    seen = places(swapped, look("baye"))
    assert (seen.host, seen.is_off, seen.disputed) == (None, False, ("labubuntu",))
    with pytest.raises(CannotObserve, match="disagree on labubuntu"):
        seen.whole_on()


@pytest.mark.parametrize("state", ["---s--", "-----d", "--ps-d"])
def test_a_domain_that_goes_down_may_have_left_xenstore(state: str) -> None:
    going = look("labubuntu", guest1=state)
    going = DomainsLook("labubuntu", ("cmd-1",), 0.0, going.rows, (StoredDomain(0, "Domain-0"),), {})
    seen = places(going, look("baye"))
    assert seen.disputed == ()
    assert seen.is_on_the_way


def test_by_hand_it_is_looked_first_and_nothing_is_ended() -> None:
    whole = places(look("labubuntu", guest1=RUNS), look("baye"))
    half = places(look("labubuntu", guest1__migratedaway="---ss-"), look("baye", guest1__incoming=PAUSED))
    for seen in (whole, half):
        assert by_hand(seen).startswith("on both hosts: xl list")
        assert "destroy" not in by_hand(seen)


def test_its_macs_are_its_own() -> None:
    here = look("labubuntu", guest1=RUNS, mail=RUNS)
    stored = (
        StoredDomain(0, "Domain-0"),
        StoredDomain(1, "guest1", macs=("00:16:3e:00:00:85", "00:16:3e:00:00:86")),
        StoredDomain(2, "mail", macs=("00:16:3e:00:00:99",)),
    )
    here = DomainsLook("labubuntu", ("cmd-1",), 0.0, here.rows, stored, {})
    assert places(here, look("baye")).macs == ("00:16:3e:00:00:85", "00:16:3e:00:00:86")
    assert places(look("baye"), unseen("labubuntu")).macs == ()
