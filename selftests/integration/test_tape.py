"""What a tape keeps: the same values and errors come back, in their turn; what is none of ours is refused."""

import json
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from madeuplooks import host_look
from playedsessions import Sessions
from playedxen import PlayedXen

from xenlab.errors import CannotObserve, LabFault, UsageError, XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.lab.kinds import TAKEN, kinds
from xenlab.lab.lab import Lab
from xenlab.lab.looks import Unknown
from xenlab.lab.moved import Move, Nonce
from xenlab.lab.observed import NotJudged, ProgramOutput
from xenlab.lab.tape import PlayedTape, RecordingTape, Untaped, decoded, encoded
from xenlab.outcomes import Finding

KINDS = kinds()


def again(value: object) -> object:
    """The value from a line of a file."""
    return decoded(json.loads(json.dumps(encoded(value)).encode("ascii")), KINDS)


texts = st.text() | st.just("caf\udce9 \x00 \u202e")
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.builds(Unknown, texts, texts, st.booleans())
    | st.builds(NotJudged, texts)
    | st.builds(ProgramOutput, texts, st.booleans(), st.booleans()),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(st.text(), max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert again(value) == value


def test_a_look_comes_back_whole() -> None:
    look = host_look("baye")
    odd = replace(
        look, cpu=Unknown("no answer", "try", timed_out=True), configs={"/a": "caf\udce9", "/b": Unknown("x")}
    )
    for each in (look, odd):
        assert again((each, each)) == (each, each)


def test_every_kind_of_data_that_is_taken_is_known_with_all_that_it_is_made_of() -> None:
    assert {kind.__name__ for kind in TAKEN} <= set(KINDS)
    assert {"Packet", "DomainRow", "Mount", "FileFact", "Answer", "StampedWords", "Echoed"} <= set(KINDS)
    for kind in KINDS.values():
        assert is_dataclass(kind)
        assert all(field.init for field in fields(kind)), kind


def test_what_is_no_data_cannot_be_kept() -> None:
    with pytest.raises(TypeError, match="a RecordingTape cannot be kept"):
        encoded((RecordingTape(print),))


# The tape


def fails() -> int:
    raise LabFault("m", hint="h", expected="e", actual="a", host="baye", guest="guest1", evidence=("cmd-1",))


def is_unseen() -> int:
    raise CannotObserve("no answer", hint="try again", evidence=("cmd-2",))


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def tape(lines: list[str]) -> RecordingTape:
    return RecordingTape(lines.append)


def test_of_several_by_one_name_each_comes_in_its_turn(tape: RecordingTape, lines: list[str]) -> None:
    for number in (1, 2):
        assert tape.take("a", lambda number=number: number) == number  # type: ignore[misc]
        tape.take("b", lambda: "x")
    played = PlayedTape(lines, KINDS)
    assert [played.take("a", fails), played.take("b", fails), played.take("a", fails)] == [1, "x", 2]
    with pytest.raises(CannotObserve, match=r"^a: the run did not come so far"):
        played.take("a", fails)


@pytest.mark.parametrize("do", [fails, is_unseen])
def test_what_was_raised_is_raised_again(do: Callable[[], int], tape: RecordingTape, lines: list[str]) -> None:
    with pytest.raises(XenlabError) as first:
        tape.take("a", do)
    with pytest.raises(XenlabError) as second:
        PlayedTape(lines, KINDS).take("a", lambda: 1)
    assert type(second.value) is type(first.value)
    assert vars(second.value) == vars(first.value)


@pytest.mark.parametrize("secret", ["root", "HostLook", "fault", "a'b\"c"])
def test_a_password_is_kept_nowhere_and_makes_nothing_unreadable(secret: str, lines: list[str]) -> None:
    """It may be a word that our own names have in them, as `root_devices` has."""
    kept = Journal(secrets=[secret])
    tape = RecordingTape(lines.append, mask=kept.mask)
    said = f"it is {shlex.quote(secret)}, {json.dumps(secret)}"
    tape.take("a", lambda: (host_look("baye"), ProgramOutput(said, False, False)))
    with suppress(LabFault):
        tape.take("a", lambda: raised(LabFault(said, hint=said, expected=said)))
    played = PlayedTape(lines, KINDS)
    look, output = played.take("a", lambda: ((), ProgramOutput("", False, False)))
    assert type(look) is type(host_look("baye"))
    with pytest.raises(LabFault) as fault:
        played.take("a", fails)
    told = f"{output.text} {fault.value} {fault.value.expected} {fault.value.actual}"
    assert secret not in told
    assert told.count("********") >= 4


def raised(error: XenlabError) -> int:
    raise error


def test_without_a_tape_it_is_done_each_time() -> None:
    assert Untaped().take("a", lambda: 1) == 1
    with pytest.raises(LabFault):
        Untaped().take("a", fails)


@pytest.mark.parametrize(
    "line",
    [
        *("", "{half", "[]", "1", '{"value": 1}', '{"what": 1', "[" * 100_000),
        *('{"what": "a", "value": {"": "os.system", "x": 1}}', '{"what": "a", "value": {"": "Unknown"}}'),
        *('{"what": "a", "value": {"": "Unknown", "why": 1}}', '{"what": "a", "value": {"x": 1}}'),
        *('{"what": "a", "value": {"": "set", "of": 3}}', '{"what": "a", "value": {"": "map", "of": 3}}'),
        *('{"what": "a", "value": {"": "Nonce", "word": "w", "file": "f", "more": 1}}', '{"what": "a", "raised": 1}'),
        '{"what": "a", "raised": {"kind": {}}}',
    ],
)
def test_a_line_that_is_none_of_ours_is_told_as_that(line: str) -> None:
    with pytest.raises(UsageError, match="none of ours"):
        PlayedTape([line], KINDS).take("a", fails)


@given(st.text() | st.recursive(st.none() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(json.dumps))
def test_whatever_a_line_is_nothing_but_our_errors_comes_of_it(line: str) -> None:
    with suppress(UsageError, CannotObserve):
        PlayedTape([line], KINDS).take("a", fails)


# A session on it


@dataclass
class Judged:
    """All that a session's findings say."""

    findings: list[Finding]
    raised: list[str]


def lived(lab: Lab) -> Judged:
    """guest1 starts, moves to and fro, cold and paused, and a move that fails."""
    judged = Judged([], [])
    guest, (home, peer) = lab.guest("guest1"), lab.hosts
    guest.start(on=home)
    with guest.nonce() as nonce:
        moves: list[Move] = [guest.cold_migrate(peer, nonce), guest.live_migrate(home, nonce)]
        for move in moves:
            judged.findings += [*move.arrived(), move.kept_its_boot(), move.booted_anew(), move.kept(nonce)]
        paused = guest.paused_migrate(peer, nonce)
        judged.findings += [paused.left_it_unharmed(), paused.kept_its_boot(), paused.kept(nonce)]
        guest.return_to(home)
    judged.findings += [guest.runs_only_on(home), *guest.takes_login(), *guest.keeps_devices_on_share()]
    try:
        guest.live_migrate(home)
    except XenlabError as problem:
        judged.raised.append(str(problem))
    config = guest.read_config(lab.others_than(guest))
    judged.findings += [*config.is_readable(), *config.is_taken_by_xl(), *config.shares_nothing_with_others()]
    for share in lab.shares:
        judged.findings += [*share.carries_nonces(), *share.shows_same_files(lab.spec.guests)]
        judged.findings += share.look().is_served()
    judged.findings += lab.found.hosts.are_reached()
    return judged


def test_a_session_is_judged_again_as_it_was_without_its_hosts(
    xen: PlayedXen, sessions: Sessions, tape: RecordingTape, lines: list[str]
) -> None:
    session = sessions.begin(tape=tape)
    first = lived(session)
    sessions.end(session)
    asked = {name: len(machine.ran) for name, machine in xen.machines.items()}
    again = Lab(xen.spec, lambda _: "", {}, tape=PlayedTape(lines, KINDS))
    again.begin("lab.toml", "")
    assert lived(again) == first
    assert len(first.findings) > 30
    assert first.raised
    assert {name: len(machine.ran) for name, machine in xen.machines.items()} == asked


def test_a_nonce_that_cannot_be_removed_is_so_again(
    xen: PlayedXen, sessions: Sessions, tape: RecordingTape, lines: list[str]
) -> None:
    xen.runs("guest1", "labubuntu")
    session = sessions.begin(tape=tape)

    def wrote(lab: Lab) -> Nonce:
        with lab.guest("guest1").nonce() as nonce:
            if not lab.tape.is_played:
                xen.silence("guest1")
        return nonce

    with pytest.raises(CannotObserve) as first:
        wrote(session)
    played = Lab(xen.spec, lambda _: "", {}, tape=PlayedTape(lines, KINDS))
    with pytest.raises(CannotObserve) as second:
        wrote(played)
    assert str(second.value) == str(first.value)
