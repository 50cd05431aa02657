"""Bringing guests home on two played hosts: from wherever they are, to how they were found, or not at all."""

import time
from threading import Event, Timer

import pytest
from playedxen import RUNS, TIMEOUTS, PlayedXen

from xenlab.errors import LabFault
from xenlab.lab import acts as acts_module
from xenlab.lab import bringing_home as module
from xenlab.lab.bringing_home import Homecoming, bring_home, leave_alone
from xenlab.lab.found import GuestFound, as_found, is_as_found
from xenlab.remote.waiting import NotInTime, stopped_by, wait_for

PAUSED = "--p---"
OFF, HOME, PEER, STOPPED = (
    GuestFound(),
    GuestFound(host="labubuntu"),
    GuestFound(host="baye"),
    GuestFound(host="labubuntu", paused=True),
)


@pytest.fixture
def xen(xen: PlayedXen) -> PlayedXen:
    xen.take_custody()
    return xen


def brought(xen: PlayedXen, found: GuestFound, guest: str = "guest1", **timeouts: float) -> Homecoming:
    spec = next(spec for spec in xen.spec.guests if spec.name == guest)
    bounds = TIMEOUTS.model_copy(update=timeouts)
    return bring_home(spec, xen.acts(guest, bounds), xen.hosts, found, bounds)


def placed(xen: PlayedXen, host: str | None, state: str) -> None:
    if host:
        xen.runs("guest1", host, state)


# From anywhere to anywhere


@pytest.mark.parametrize(
    ("found", "host", "state", "acts"),
    [
        (OFF, "labubuntu", RUNS, ["labubuntu shutdown"]),
        (OFF, "baye", RUNS, ["baye shutdown"]),
        (OFF, "baye", PAUSED, ["baye unpause", "baye shutdown"]),
        (HOME, None, "", ["labubuntu create"]),
        (HOME, "baye", RUNS, ["baye migrate"]),
        (HOME, "baye", PAUSED, ["baye unpause", "baye migrate"]),
        (HOME, "labubuntu", PAUSED, ["labubuntu unpause"]),
        (PEER, None, "", ["baye create"]),
        (PEER, "labubuntu", RUNS, ["labubuntu migrate"]),
        (STOPPED, None, "", ["labubuntu create", "labubuntu pause"]),
        (STOPPED, "labubuntu", RUNS, ["labubuntu pause"]),
        (STOPPED, "baye", PAUSED, ["baye unpause", "baye migrate", "labubuntu pause"]),
    ],
)
def test_it_goes_back_by_the_shortest_way(
    found: GuestFound, host: str | None, state: str, acts: list[str], xen: PlayedXen
) -> None:
    placed(xen, host, state)
    home = brought(xen, found)
    assert xen.acted == [f"{act} guest1" for act in acts]
    places = xen.acts().look()
    assert is_as_found(places, found)
    assert (home.as_found, home.by_hand, home.is_done) == (True, "", True)
    assert str(home) == f"guest1 is {places.words}, as found"
    assert brought(xen, found) == home  # once more changes nothing
    assert len(xen.acted) == len(acts)


@pytest.mark.parametrize(
    ("found", "host", "state"),
    [(OFF, None, ""), (HOME, "labubuntu", RUNS), (PEER, "baye", RUNS), (STOPPED, "labubuntu", PAUSED)],
)
def test_what_is_as_it_was_is_left_alone(found: GuestFound, host: str | None, state: str, xen: PlayedXen) -> None:
    placed(xen, host, state)
    assert as_found(xen.acts().look()) == found
    assert brought(xen, found).as_found
    assert xen.acted == []


# What is not over yet


def test_a_move_under_way_is_waited_for_and_undone(xen: PlayedXen) -> None:
    """H4: the guest is listed on its source still, and half of it on the target: it would be taken for home."""
    xen.runs("guest1", "labubuntu")
    xen.plan("labubuntu", "migrate", "works", 0.3)
    acts = xen.acts()
    interrupted(xen, "labubuntu")
    with pytest.raises(KeyboardInterrupt):
        acts.migrate(xen.peer)
    assert bring_home(xen.spec.guests[0], acts, xen.hosts, HOME, TIMEOUTS).as_found
    assert xen.acted == ["labubuntu migrate guest1", "baye migrate guest1"]
    assert xen.where() == {"labubuntu/guest1": RUNS}


def interrupted(xen: PlayedXen, host: str) -> None:
    """Ctrl-C just after the next act was begun there."""

    def control_c(timeout: float, word: str = "") -> None:
        del xen.machines[host].wait_until_reachable
        raise KeyboardInterrupt

    xen.machines[host].cut("setsid", silent_for=0.05)
    xen.machines[host].wait_until_reachable = control_c  # type: ignore[method-assign]


def test_what_an_earlier_process_began_is_waited_for(xen: PlayedXen) -> None:
    xen.runs("guest1", "labubuntu")
    xen.plan("labubuntu", "migrate", "works", 0.3)
    interrupted(xen, "labubuntu")
    with pytest.raises(KeyboardInterrupt):
        xen.acts().migrate(xen.peer)
    wait_for(lambda: xen.acts().look().busy, "xl migrate to begin", 5, 0.01)
    assert not is_as_found(xen.acts().look(), HOME)
    assert brought(xen, HOME).as_found
    assert xen.acted == ["labubuntu migrate guest1", "baye migrate guest1"]


def test_a_start_under_way_is_waited_for(xen: PlayedXen) -> None:
    """Listed nowhere yet, it would be created once more on its own host."""
    xen.plan("baye", "create", "works", 0.3)
    acts = xen.acts()
    interrupted(xen, "baye")
    with pytest.raises(KeyboardInterrupt):
        acts.create(xen.peer)
    assert bring_home(xen.spec.guests[0], acts, xen.hosts, HOME, TIMEOUTS).as_found
    assert xen.acted == ["baye create guest1", "baye migrate guest1"]


@pytest.mark.parametrize("found", [OFF, HOME])
def test_a_guest_that_still_boots_is_let_boot_before_anything_is_asked_of_it(found: GuestFound, xen: PlayedXen) -> None:
    """It would not hear it: seen on real Xen after Ctrl-C in `xl create`, when `xl shutdown -w` waited for 300 s."""
    guest = xen.machines["guest1"]
    guest.silent = True
    acts = xen.acts()
    interrupted(xen, "baye")
    with pytest.raises(KeyboardInterrupt):
        acts.create(xen.peer)
    booted_at = []

    def boots() -> None:
        booted_at.append(len(xen.acted))
        guest.silent = False

    booting = Timer(0.5, boots)
    booting.start()
    assert bring_home(xen.spec.guests[0], acts, xen.hosts, found, TIMEOUTS).as_found
    booting.join()
    assert booted_at == [1]
    assert len(xen.acted) == 2


def test_a_boot_that_was_not_waited_for_is_not_given_up(xen: PlayedXen) -> None:
    """The run ended meanwhile: that a wait was ended says nothing of the guest."""
    guest = xen.machines["guest1"]
    guest.silent = True
    acts, stop, wait = xen.acts(), Event(), guest.wait_until_reachable

    def ends_meanwhile(timeout: float, word: str = "") -> None:
        stop.set()
        wait(timeout, word)

    guest.wait_until_reachable = ends_meanwhile  # type: ignore[method-assign]
    with stopped_by(stop), pytest.raises(NotInTime, match="stopped waiting"):
        acts.create(xen.peer)
    booting = Timer(0.3, setattr, (guest, "silent", False))
    booting.start()
    assert bring_home(xen.spec.guests[0], acts, xen.hosts, OFF, TIMEOUTS).as_found
    assert not booting.is_alive()


def test_a_guest_that_never_boots_is_waited_for_once(xen: PlayedXen) -> None:
    xen.machines["guest1"].silent = True
    acts = xen.acts(timeouts=TIMEOUTS.model_copy(update={"boot_seconds": 0.3}))
    with pytest.raises(LabFault):
        acts.create(xen.peer)
    began = time.monotonic()
    acts.let_boot(xen.peer)
    assert time.monotonic() - began < 0.2


def test_a_move_that_does_not_end_is_not_touched(xen: PlayedXen) -> None:
    xen.runs("guest1", "labubuntu")
    xen.plan("labubuntu", "migrate", "endless")
    interrupted(xen, "labubuntu")
    with pytest.raises(KeyboardInterrupt):
        xen.acts().migrate(xen.peer)
    wait_for(lambda: xen.acts().look().busy, "xl migrate to begin", 5, 0.01)
    home = brought(xen, HOME, migrate_seconds=0.3)
    assert not home.as_found
    assert "under way on labubuntu" in home.words
    assert home.by_hand.startswith("wait until no xl migrate")
    assert xen.acted == ["labubuntu migrate guest1"]


def test_a_host_that_answers_again_in_a_moment_is_waited_for(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE_SECONDS", 5.0)
    xen.runs("guest1", "baye")
    xen.silence("baye")
    back = Timer(0.2, lambda: setattr(xen.machines["baye"], "silent", False))
    back.start()
    assert brought(xen, HOME).as_found
    back.join()


def test_a_guest_that_is_just_arriving_is_waited_for(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts_module, "_SETTLE_SECONDS", 5.0)
    xen.runs("guest1--incoming", "labubuntu", PAUSED)
    domains = xen.machines["labubuntu"].folder / "domains"

    def arrives() -> None:
        (domains / "guest1--incoming").rename(domains / "guest1")
        domain = (domains / "guest1").read_text()
        (domains / "guest1").write_text(domain.replace(PAUSED, RUNS))

    arriving = Timer(0.2, arrives)
    arriving.start()
    assert brought(xen, HOME).as_found
    arriving.join()
    assert xen.acted == []


# What is not acted on


@pytest.mark.parametrize("found", [OFF, HOME, PEER, STOPPED])
def test_a_half_moved_guest_is_not_acted_on(found: GuestFound, xen: PlayedXen) -> None:
    """H2: a third copy was made."""
    xen.runs("guest1--migratedaway", "labubuntu", "---ss-")
    xen.runs("guest1--incoming", "baye", PAUSED)
    home = brought(xen, found)
    assert (home.as_found, home.is_done) == (False, False)
    assert "NOT as found" in str(home)
    assert "guest1--incoming" in home.words
    assert "xl rename" in home.by_hand
    assert "destroy" not in home.by_hand
    assert xen.acted == []


def test_a_guest_on_both_hosts_is_not_acted_on(xen: PlayedXen) -> None:
    xen.runs("guest1", "labubuntu")
    xen.runs("guest1", "baye")
    home = brought(xen, HOME)
    assert not home.as_found
    assert home.by_hand.count("xl pause guest1") == 1
    assert home.by_hand.endswith("it was found on labubuntu")
    assert xen.acted == []


def test_a_silent_host_keeps_one_guest_and_not_the_other(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye")
    xen.silence("baye")
    home = brought(xen, HOME)
    assert "xl list on baye: baye cannot be reached" in home.words
    assert "xl list" in home.by_hand
    assert home.by_hand.endswith("it was found on labubuntu")
    assert xen.acted == []


@pytest.mark.parametrize(("host", "state"), [(None, ""), ("labubuntu", RUNS), ("baye", RUNS)])
def test_nothing_is_done_to_what_was_found_unclear(host: str | None, state: str, xen: PlayedXen) -> None:
    placed(xen, host, state)
    home = brought(xen, GuestFound(unclear="on baye as guest1--incoming"))
    assert not home.as_found
    assert "it was found on baye as guest1--incoming" in home.words
    assert xen.acted == []


@pytest.mark.parametrize("state", ["---sc-", "---s--", "-----d"])
def test_what_has_gone_down_is_no_clear_place(state: str, xen: PlayedXen) -> None:
    xen.runs("guest1", "baye", state)
    assert as_found(xen.acts().look()).unclear


def test_what_others_moved_is_only_told(xen: PlayedXen) -> None:
    """The run did nothing to it: what a colleague did meanwhile must not be undone."""
    xen.runs("guest1", "baye")
    home = leave_alone(xen.spec.guests[0], xen.acts().look(), HOME)
    assert (home.as_found, home.is_done, home.by_hand) == (False, True, "")
    assert str(home) == "guest1 is on baye (-b----), NOT as found, and was not touched"


def test_of_one_that_cannot_be_seen_nothing_is_claimed(xen: PlayedXen) -> None:
    """It may well be where it was: that one host is silent does not say that it is not."""
    xen.runs("guest1", "labubuntu")
    xen.silence("baye")
    home = leave_alone(xen.spec.guests[0], xen.acts().look(), HOME)
    assert (home.as_found, home.is_done) == (False, True)
    assert str(home).startswith("guest1 is on labubuntu (-b----); xl list on baye: ")
    assert "which may or may not be as found, and was not touched; by hand: on both hosts: xl list" in str(home)


# What does not work


def test_what_cannot_move_back_live_moves_cold(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye")
    xen.plan("baye", "migrate", "refused")
    assert brought(xen, HOME).as_found
    assert xen.acted == ["baye migrate guest1", "baye shutdown guest1", "labubuntu create guest1"]


def test_what_cannot_start_at_home_is_rather_there_than_nowhere(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye")
    xen.plan("baye", "migrate", "refused")
    xen.plan("labubuntu", "create", "bootloader")
    home = brought(xen, HOME)
    assert home.words.startswith("on baye (-b----) (xl create failed")
    assert home.by_hand == "on baye: xl migrate guest1 10.1.1.189"
    assert xen.where() == {"baye/guest1": RUNS}


def test_a_guest_that_does_not_go_down_is_told_with_the_command(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye", PAUSED)
    xen.plan("baye", "shutdown", "ignored")
    home = brought(xen, OFF, boot_seconds=0.3)
    assert "does not shut down" in home.words
    assert home.by_hand == "on baye: xl shutdown -w guest1"


def test_a_guest_that_cannot_be_started_is_told_with_the_command(xen: PlayedXen) -> None:
    xen.plan("labubuntu", "create", "bootloader")
    home = brought(xen, STOPPED)
    create = f"on labubuntu: xl create {xen.config('guest1')}, once xl list on both hosts shows no guest1"
    assert home.by_hand == f"{create}; then on labubuntu: xl pause guest1"
    assert home.words.startswith("on neither host (xl create failed")


def test_a_guest_lost_on_the_way_back_is_told_as_lost(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye")
    xen.plan("baye", "migrate", "loses")
    home = brought(xen, HOME)
    assert home.words == "on neither host (guest1 was lost on its way from baye to labubuntu)"
    assert "xl create" in home.by_hand


def test_a_guest_that_crashed_and_is_kept_is_not_started_again(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye", "---sc-")
    home = brought(xen, HOME)
    assert not home.as_found
    assert "it crashed" in home.by_hand
    assert "destroy" not in home.by_hand


def test_a_guest_that_lost_its_network_comes_home_all_the_same(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye", PAUSED)
    xen.silence("guest1")
    assert brought(xen, HOME).as_found
    assert xen.acted == ["baye unpause guest1", "baye migrate guest1"]


def test_where_the_run_may_not_act_any_more_it_says_so(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye")
    xen.custody.end()
    home = brought(xen, HOME)
    assert "nothing is done to the lab" in home.words
    assert home.by_hand == "on baye: xl migrate guest1 10.1.1.189"
    assert xen.acted == []
