"""Every judgement, weakened to hold always: some recorded fault must then survive. Those that none needs are listed.

A judgement that can be weakened unnoticed is one that nothing proves: it gets a scenario, or goes.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from test_recordings import RECORDED, row

from xenlab.lab.judging import boot, config, hosts, left, moves, share, watched
from xenlab.outcomes import Finding
from xenlab.proving.row import RowEnd

MODULES = (hosts, share, config, boot, moves, watched, left)
NOT_NEEDED = frozenset(
    {
        *("boot.answers_ping", "boot.devices_unknown", "boot.has_root_device"),
        *("boot.takes_login", "boot.takes_no_login"),
        "moves.answers_after",
        *("moves.booted_anew", "moves.has_clean_disk", "moves.kept_boot", "moves.pause_was_taken"),
        *("moves.refused_unharmed", "watched.connection_lived"),
        *("watched.findings", "watched.inside_ping", "watched.one_machine_answers", "watched.outside_ping"),
        *("watched.stood_still", "watched.uptime_went_on", "watched.writes_went_on"),
    }
)
"""Judgements that no recording needs yet: each is to get one, or to go."""

Judgement = Callable[..., object]


def judgements() -> Iterator[tuple[ModuleType, str, Judgement]]:
    """Every public function that judges: what it returns is a finding, or several."""
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            judges = "Finding" in str(inspect.signature(function).return_annotation)
            if judges and function.__module__ == module.__name__ and not name.startswith("_"):
                yield module, name, function


ALL = list(judgements())
BY_NAME = {f"{module.__name__.rpartition('.')[2]}.{name}": (module, name, function) for module, name, function in ALL}


def changed(result: object, change: Callable[[Finding], Finding]) -> object:
    if isinstance(result, Finding):
        return change(result)
    return tuple(change(finding) for finding in result)


@pytest.fixture(scope="module")
def failing() -> dict[str, set[Path]]:
    """The recordings in which each judgement fails something."""
    found: dict[str, set[Path]] = {name: set() for name in BY_NAME}
    with pytest.MonkeyPatch.context() as patch:
        now: list[Path] = []
        for id_, (module, name, function) in BY_NAME.items():

            def watched_over(*given: object, id_: str = id_, function: Judgement = function, **more: object) -> object:
                def seen(finding: Finding) -> Finding:
                    if finding.holds is False:
                        found[id_].add(now[0])
                    return finding

                return changed(function(*given, **more), seen)

            patch.setattr(module, name, watched_over)
        for recording in RECORDED:
            now[:] = [recording]
            row(recording)
    return found


@pytest.mark.parametrize("id_", BY_NAME)
def test_a_judgement_that_always_holds_lets_a_fault_survive(
    id_: str, failing: dict[str, set[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, function = BY_NAME[id_]
    monkeypatch.setattr(
        module, name, lambda *given, **more: changed(function(*given, **more), lambda it: replace(it, holds=True))
    )
    needing = [recording for recording in sorted(failing[id_]) if row(recording).ended is not RowEnd.KILLED]
    assert bool(needing) is (id_ not in NOT_NEEDED), f"{id_} fails in {sorted(path.stem for path in failing[id_])}"
