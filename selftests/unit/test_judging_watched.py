"""What a watched move is judged by: each judgement turned red, and a right move of an unusual kind that stays green."""

import time
from dataclasses import replace

import pytest
from stampedmove import told
from test_places import look, places
from watchedmove import GONE, LIMITS, NO_BASH, WINDOW, Move, lost_for_good, never, rebooted

from xenlab.lab.judging import watched
from xenlab.lab.observed import Neighbours, ProgramOutput, Unknown, UptimeReading
from xenlab.lab.watch_analysis import Analysis, MoveLimits, analyse, with_figures
from xenlab.outcomes import Finding, MigrationRecord
from xenlab.remote.echoed import CLOSED_THERE, Echoed

EMULATED = MoveLimits(max_gap=60.0, max_lost=2)
MAC = "00:16:3e:5d:8a:01"


def by_id(analysis: Analysis, **seen: object) -> dict[str, Finding]:
    found = watched.findings(analysis, **seen)  # type: ignore[arg-type]
    assert all(finding.guest == "guest1" and finding.evidence == ("cmd-7",) for finding in found)
    assert all(finding.expected and finding.actual for finding in found)
    return {finding.id: finding for finding in found}


def wrong(analysis: Analysis, **seen: object) -> dict[str, bool | None]:
    """What does not hold; each says what to do."""
    found = {id_: finding for id_, finding in by_id(analysis, **seen).items() if not finding}
    assert all(finding.hint for finding in found.values())
    return {id_: finding.holds for id_, finding in found.items()}


# -- right moves of all kinds --------------------------------------------------------------------------

RIGHT = {
    "as it should be": Move(),
    "its uptime stands while it does": Move(counted=0.0),
    "the target's clock is an hour ahead": Move(counted=3600.8),
    "the target's clock is 30 s ahead": Move(counted=30.8),
    "the target's clock is behind": Move(counted=0.0, wall_ahead=-3600.0),
    "its wall clock is set ahead": Move(wall_ahead=3600.0),
    "its wall clock is set back": Move(wall_ahead=-3600.0),
    "it has only just booted": Move(booted=3.0),
    "slow looks": Move(latency=1.0),
    "slow looks, and a clock 2 s ahead": Move(counted=2.8, latency=2.0),
    "no bash": Move(changes={"heartbeat": NO_BASH}),
    "no bash, and a clock an hour ahead": Move(counted=3600.8, changes={"heartbeat": NO_BASH}),
    "no bash, and an uptime that stands": Move(counted=0.0, changes={"heartbeat": NO_BASH}),
    "by its console": Move(changes={"echoed": None}),
    "a slow disk, before as after": Move(write_every=2.0),
    "a few replies twice": Move(doubled=lambda at: 120 <= at < 120.2),
    "a route that was away for a moment": Move(unsent=lambda at: 141 <= at < 141.3),
    "the look after the move failed": Move(changes={"uptime_after": GONE, "inside_read": (5000, None)}),
}


@pytest.mark.parametrize("move", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_move_is_green(move: Move) -> None:
    assert wrong(move.seen()) == {}


@pytest.mark.parametrize("counted", [None, 0.0, 3615.0])
def test_a_slow_host_within_its_threshold_is_green(counted: float | None) -> None:
    move = Move(stopped=120.0, stood=15.0, counted=counted)
    assert wrong(move.seen(EMULATED)) == {}
    assert set(wrong(move.seen())) == {"outside-ping-continuous", "stood-still"}


def test_what_is_judged_and_in_which_order() -> None:
    assert list(by_id(Move().seen())) == [
        "uptime-goes-on",
        "same-connection",
        "one-machine-answers",
        "outside-ping-continuous",
        "inside-ping-continuous",
        "stood-still",
        "writes-go-on",
    ]
    assert "same-connection" not in by_id(Move(changes={"echoed": None}).seen())


# -- the connection ------------------------------------------------------------------------------------


def test_a_machine_on_the_way_that_was_lost_is_not_the_guests_fault() -> None:
    lost = Echoed(100, 60, True, CLOSED_THERE)
    assert wrong(Move(changes={"echoed": lost}).seen()) == {"same-connection": False}
    assert "the guest's own end closed it" in by_id(Move(changes={"echoed": lost}).seen())["same-connection"].hint
    reset = replace(lost, broken="Connection reset by peer")
    assert "lost its network state" in by_id(Move(changes={"echoed": reset}).seen())["same-connection"].hint
    seen = Move(changes={"echoed": replace(lost, lost_on_the_way=True)}).seen()
    assert wrong(seen) == {"same-connection": None}
    assert "a machine on the way was lost" in by_id(seen)["same-connection"].actual


# -- the pings -----------------------------------------------------------------------------------------


def test_a_guest_that_lost_its_network_for_good_fails() -> None:
    """xl said that it moved; nothing can be read of it, and yet it is no error of ours."""
    seen = lost_for_good().seen()
    assert wrong(seen) == {
        "uptime-goes-on": None,
        "same-connection": False,
        "outside-ping-continuous": False,
        "inside-ping-continuous": None,
        "stood-still": None,
        "writes-go-on": None,
    }
    finding = watched.outside_ping(seen)
    assert "no reply after sequence 800 for 20.00 s" in finding.actual
    assert "its vif on the target leads nowhere" in finding.hint
    paused = watched.outside_ping(seen, places(look("labubuntu"), look("baye", guest1="--p---")))
    assert paused.hint.startswith("it is paused: xl unpause guest1 on baye")
    assert GONE.why in watched.inside_ping(seen).actual


def test_a_guest_by_its_console_whose_network_is_cut_tells_so_itself() -> None:
    seen = Move(deaf=lambda at: at >= 140.0, changes={"echoed": None}).seen()
    assert set(wrong(seen)) == {"outside-ping-continuous", "inside-ping-continuous"}
    assert "the guest went on" in watched.outside_ping(seen).hint


def test_too_little_seen_from_outside_is_unknown() -> None:
    observed = Move().observed()
    (seen,) = observed.outside
    observed = replace(observed, outside=(replace(seen, trace=replace(seen.trace, complete=False)),))
    finding = watched.outside_ping(analyse(observed, WINDOW, LIMITS))
    assert finding.holds is None
    assert "incomplete" in finding.actual


def test_a_guest_that_could_not_send_fails_its_own_ping_alone() -> None:
    seen = Move(unsent=lambda at: 141 <= at < 151).seen()
    assert wrong(seen) == {"inside-ping-continuous": False}
    actual = watched.inside_ping(seen).actual
    assert "the guest could not send for 10.2 s: Network is unreachable (50 of its pings lost, more than 2)" in actual


def test_the_guests_own_ping_says_what_it_bounds_and_that_it_stood_still() -> None:
    finding = watched.inside_ping(Move(stood=2.5).seen())
    assert finding.holds
    assert "its ping stands still with it" in finding.expected
    assert "it stood still with the guest for 2.50 s" in finding.actual
    assert "first after: icmp_seq=202" in finding.actual


def test_three_pings_lost_by_the_guest_are_too_many() -> None:
    lost = {"deaf": lambda at: 140.0 <= at < 140.8 or 145.01 <= at < 145.7}
    assert wrong(Move(**lost).seen()) == {"inside-ping-continuous": False}  # type: ignore[arg-type]


def test_a_ping_that_ended_by_itself_fails() -> None:
    text, _ = Move().inside()
    cut = ProgramOutput(text.partition("icmp_seq=230 ")[0], ended_before=True)
    finding = watched.inside_ping(Move(changes={"inside": cut}).seen())
    assert finding.holds is False
    assert "had ended by itself" in finding.actual
    assert watched.inside_ping(Move(changes={"inside": replace(cut, ended_before=False)}).seen()).holds is None


def test_no_output_of_ping_is_unknown() -> None:
    finding = watched.inside_ping(Move(changes={"inside": ProgramOutput("nohup: ping: Exec format error\n")}).seen())
    assert finding.holds is None
    assert "no output of ping" in finding.actual


# -- standing still ------------------------------------------------------------------------------------


@pytest.mark.parametrize("counted", [None, 0.0, 3635.0])
@pytest.mark.parametrize("limits", [LIMITS, EMULATED])
def test_someone_else_answers_while_the_guest_stands_still(limits: MoveLimits, counted: float | None) -> None:
    seen = Move(stopped=112.0, stood=35.0, deaf=never, counted=counted).seen(limits)
    assert wrong(seen)["outside-ping-continuous"] is False
    finding = watched.outside_ping(seen)
    assert "someone else answers under the guest's address: the guest stood still for 34.9 s" in finding.actual
    assert "arping -D 10.1.1.85" in finding.hint
    assert ("stood-still" in wrong(seen)) is (limits is LIMITS)


def test_a_guest_that_stands_still_too_long_fails() -> None:
    seen = Move(stood=5.0).seen()
    assert wrong(seen) == {"outside-ping-continuous": False, "stood-still": False}
    (finding,) = watched.stood_still(seen)
    assert (finding.expected, finding.actual) == ("guest1 stands still for at most 3.0 s", "5.00 s")
    assert "the guest itself stood still for 5.00 s" in watched.outside_ping(seen).hint


@pytest.mark.parametrize(("deaf", "holds"), [(None, True), (lambda at: 139.0 <= at < 143.5, None)])
def test_where_slow_looks_leave_it_open_the_outside_ping_bounds_it(deaf: object, holds: bool | None) -> None:
    move = Move(stood=0.8, counted=3.2, latency=3.0, deaf=deaf)  # type: ignore[arg-type]
    (finding,) = watched.stood_still(move.seen())
    assert finding.holds is holds
    assert "known no better" in finding.actual


def test_no_heartbeat_is_not_judged_and_said() -> None:
    seen = Move(changes={"heartbeat": NO_BASH}).seen()
    assert watched.stood_still(seen) == ()
    assert watched.remarks(seen) == ("guest1: how long it stood still is not judged: the guest has no bash",)
    assert watched.remarks(Move().seen()) == ()


@pytest.mark.parametrize(
    "left", [ProgramOutput("", False), ProgramOutput(Move().heartbeat()[:9000], ended_before=True)]
)
def test_a_heartbeat_that_says_nothing_of_the_move_is_unknown(left: ProgramOutput) -> None:
    (finding,) = watched.stood_still(Move(changes={"heartbeat": left}).seen())
    assert finding.holds is None
    assert "heartbeat" in finding.actual


# -- who answers ---------------------------------------------------------------------------------------


def test_all_replies_twice_with_one_ttl_fail() -> None:
    seen = Move(doubled=lambda at: True).seen()
    assert wrong(seen) == {"one-machine-answers": False}
    finding = watched.one_machine_answers(seen)
    assert "replies came twice; TTLs seen: 64" in finding.actual
    assert "loop" in finding.hint


def test_one_reply_of_a_machine_further_away_fails() -> None:
    assert wrong(Move(doubled=lambda at: 120 <= at < 120.04, ttls=(64, 63)).seen()) == {"one-machine-answers": False}


@pytest.mark.parametrize(
    ("macs", "neighbours", "holds"),
    [
        ((MAC,), (("10.1.1.85", MAC.upper()),), True),
        ((MAC,), (("10.1.1.85", MAC.replace(":", "-")), ("10.1.1.1", "52:54:00:00:00:01")), True),
        ((MAC, "00:16:3e:00:00:02"), (("10.1.1.85", "00:16:3e:00:00:02"),), True),  # a guest with two vifs
        ((MAC,), (("10.1.1.85", "52:54:00:aa:bb:cc"),), False),
        ((MAC,), (("10.1.1.85", MAC), ("10.1.1.85", "52:54:00:aa:bb:cc")), False),  # two hosts do not agree
        ((MAC,), (("10.1.1.1", "52:54:00:aa:bb:cc"),), True),  # nobody has talked to it
        ((MAC,), (("10.1.1.85", "00:00:00:00:00:00"),), True),  # an entry that failed
        ((), (("10.1.1.85", "52:54:00:aa:bb:cc"),), True),  # whose MAC it is, is not known
        ((MAC,), Unknown("ip neigh on baye: no answer"), None),
    ],
)
def test_whose_mac_has_the_address(macs: tuple[str, ...], neighbours: Neighbours | Unknown, holds: bool | None) -> None:
    finding = watched.one_machine_answers(Move(neighbours=neighbours).seen(), macs)
    assert finding.holds is holds
    if holds is False:
        assert "52:54:00:aa:bb:cc" in finding.actual
        assert MAC in finding.expected


def test_a_router_may_answer_for_the_guest() -> None:
    dom0 = "52:54:00:aa:bb:cc"
    seen = Move(neighbours=(("10.1.1.85", dom0),)).seen()
    assert watched.one_machine_answers(seen, (MAC,), (dom0,)).holds
    assert by_id(seen, macs=(MAC,))["one-machine-answers"].holds is False


def test_doubled_replies_fail_even_where_no_neighbour_can_be_seen() -> None:
    seen = Move(doubled=lambda at: True, neighbours=Unknown("no answer")).seen()
    finding = watched.one_machine_answers(seen, (MAC,))
    assert finding.holds is False
    assert "could not be seen: this machine: no answer" in finding.actual


# -- its life ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("booted", [3.0, 30.0, 100_000.0])
def test_a_reboot_is_red_however_small_the_uptime_was(booted: float) -> None:
    found = wrong(rebooted(booted).seen())
    assert found["uptime-goes-on"] is found["writes-go-on"] is found["same-connection"] is False
    assert found["inside-ping-continuous"] is False
    assert found["stood-still"] is None


def test_an_uptime_that_lags_more_than_it_stood_still_is_red() -> None:
    lagging = Move(counted=-20.0)
    assert wrong(lagging.seen())["uptime-goes-on"] is False


def test_an_unread_uptime_is_unknown() -> None:
    for missing in ({"uptime_before": GONE}, {"uptime_after": GONE, "uptime_at_end": GONE}):
        assert watched.uptime_went_on(Move(changes=missing).seen()).holds is None


@pytest.mark.parametrize(
    ("echoed", "holds"),
    [
        (Echoed(100, 100, True), True),
        (Echoed(100, 90, True), False),
        (Echoed(100, 100, False), False),
        (Echoed(100, 100, True, "reset by peer"), False),
        (Echoed(0, 0, True), False),
    ],
)
def test_the_connection(echoed: Echoed, holds: bool) -> None:
    (finding,) = watched.connection_lived(Move(changes={"echoed": echoed}).seen())
    assert finding.holds is holds


# -- its disk ------------------------------------------------------------------------------------------


def left(text: str, **how: bool) -> Move:
    return Move(changes={"writes": ProgramOutput(text, **how)})


WRITES = Move().writes()
BROKEN_WRITES = {
    "two writes": (left("1 1000.00\n2 1000.20\n"), "0 of them in the 8.0 s after the move"),
    "none": (left(""), "0 of them"),
    "stopped with the move": (left("".join(WRITES.splitlines(keepends=True)[:200])), "0 of them in the 8.0 s"),
    "one after it, perhaps not on the disk": (Move(stuck=(150.3, 60.0)), "1 of them in the 8.0 s after the move"),
    "hangs after it, for good": (Move(stuck=(141.0, 60.0)), "0 of them in the 8.0 s after the move"),
    "hangs after it, then goes on": (Move(stuck=(141.0, 5.0)), "the disk kept it waiting for more than 3.0 s"),
    "hangs in its stand-still's wake": (Move(stood=2.0, stuck=(140.0, 6.0)), "the disk kept it waiting"),
    "cannot be ended": (left(WRITES, hung=True), "it waits for the disk"),
    "had ended": (left(WRITES, ended_before=True), "had ended by itself"),
    "a hole": (left(WRITES.replace("77 ", "78 ", 1)), "number 77 is missing"),
    "a complaint": (left(WRITES + "sync: error syncing: Input/output error\n"), "Input/output error"),
}


@pytest.mark.parametrize(("move", "words"), BROKEN_WRITES.values(), ids=BROKEN_WRITES.keys())
def test_a_disk_that_does_not_follow_is_red(move: Move, words: str) -> None:
    seen = move.seen()
    finding = watched.writes_went_on(seen)
    assert finding.holds is False
    assert words in finding.actual
    assert "share" in finding.hint


def test_a_disk_that_hangs_for_a_minute_is_red_on_slow_hosts_too() -> None:
    finding = watched.writes_went_on(Move(stopped=112.0, stood=15.0, stuck=(128.0, 60.0)).seen(EMULATED))
    assert finding.holds is False


@pytest.mark.parametrize("counted", [None, 0.0, 3615.0])
def test_the_pause_of_a_guest_that_stands_still_is_no_pause_of_its_disk(counted: float | None) -> None:
    seen = Move(stopped=120.0, stood=15.0, counted=counted).seen(replace(EMULATED, max_gap=20.0))
    finding = watched.writes_went_on(seen)
    assert finding.holds
    assert "longest pause 0.2" in finding.actual


def test_too_little_time_after_the_move_is_unknown() -> None:
    ended = UptimeReading(1050.3, 150.3, 150.3)
    kept = "".join(line for line in WRITES.splitlines(keepends=True) if float(line.split()[1]) <= 1050.1)
    finding = watched.writes_went_on(Move(changes={"writes": ProgramOutput(kept), "uptime_at_end": ended}).seen())
    assert finding.holds is None
    assert "s after the move" in finding.actual


def test_writes_that_cannot_be_read_are_unknown() -> None:
    assert watched.writes_went_on(Move(changes={"writes": GONE}).seen()).holds is None
    assert watched.writes_went_on(Move(changes={"uptime_after": GONE, "uptime_at_end": GONE}).seen()).holds is None


# -- figures -------------------------------------------------------------------------------------------


def test_the_record_has_the_figures_that_there_are() -> None:
    record = MigrationRecord(guest="guest1", kind="live", source="a", target="b", seconds=40.0, same_boot=True)
    full, bare = with_figures(record, Move().seen()), with_figures(record, lost_for_good().seen())
    told = full.model_dump()
    assert told["outside"]["longest_gap_ms"] == pytest.approx(850.0)
    assert told["inside"]["lost"] == 0
    assert told["heartbeat"]["stood_still_ms"] == pytest.approx(800.0, abs=20)
    assert told["connection"] == {"sent_bytes": 100, "returned_bytes": 100, "intact": True}
    told = bare.model_dump()
    assert told["outside"]["lost"] == 400
    assert (told["inside"], told["heartbeat"]) == (None, None)


def test_hostile_outputs_are_judged_at_once() -> None:
    texts = ("1 1.0\n" * 40_000, "9" * 250_000, "1 " * 125_000, "x\n" * 125_000)
    for text in texts:
        output = ProgramOutput(text)
        move = Move(changes=dict.fromkeys(("inside", "heartbeat", "writes"), output))
        observed = move.observed()
        began = time.process_time()
        found = watched.findings(analyse(observed, WINDOW, LIMITS))
        assert time.process_time() - began < 2.0
        assert not {finding.id: finding for finding in found}["writes-go-on"].holds


def test_a_stand_still_that_is_too_long_says_where_the_time_went() -> None:
    move = Move(stopped=119.9, stood=16.2)
    told_of = analyse(move.observed(), WINDOW, LIMITS, told())
    (finding,) = watched.stood_still(told_of)
    assert not finding.holds
    assert "12.0 s went to hotplug scripts of two disks" in finding.hint
    (finding,) = watched.stood_still(move.seen())
    assert finding.hint.startswith("what it waits for is the target's")
