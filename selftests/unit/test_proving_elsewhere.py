"""Scenarios proven on other machines: in parts of one kind, one at a time on each; rows as they were made there."""

import json
import threading
from pathlib import Path

import pytest

from xenlab.cli.main import main
from xenlab.errors import CannotObserve
from xenlab.proving import elsewhere
from xenlab.proving.elsewhere import ProofPart, parts, prove
from xenlab.proving.prover import kinds_of
from xenlab.proving.row import RowEnd, not_graded
from xenlab.scenarios.catalogue import SCENARIOS, scenario_named

# What stands for ./lab prove on the other machine: it notes its call, and writes the rows that it is given.
STAND_IN = """
import json, sys
from pathlib import Path
names = [word for word in sys.argv[2:] if not word.startswith("-")][:-1]
folder = Path(sys.argv[sys.argv.index("--reports") + 1]) / "proof"
with Path("calls").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
rows = json.loads(Path("rows.json").read_text())
folder.mkdir(parents=True, exist_ok=True)
if made := [row for row in rows if row["scenario"] in names]:
    (folder / "proof.json").write_text(json.dumps(made))
else:
    sys.exit("no lab came up")
"""
NAMES = ("root-squashed", "unmounted")


@pytest.fixture
def working_copy(tmp_path: Path) -> Path:
    """That of another machine, where scenarios turn out not viable."""
    (tmp_path / "xenlab").mkdir()
    (tmp_path / "xenlab/__init__.py").touch()
    (tmp_path / "xenlab/__main__.py").write_text(STAND_IN)
    rows = [not_graded(scenario_named(name), RowEnd.NOT_VIABLE, "why not", 1.0) for name in NAMES]
    (tmp_path / "rows.json").write_text(json.dumps([json.loads(row.model_dump_json()) for row in rows]))
    return tmp_path


def part_of(working_copy: Path, *names: str) -> ProofPart:
    (part,) = parts([scenario_named(name) for name in names], working_copy, ["--skip-steady"])
    return part


def test_every_scenario_is_in_one_part_with_its_kind(working_copy: Path) -> None:
    made = list(parts(SCENARIOS, working_copy, []))
    assert sorted(one.name for part in made for one in part.scenarios) == sorted(one.name for one in SCENARIOS)
    for part in made:
        assert 1 <= len(part.scenarios) <= 6
        assert len(kinds_of(part.scenarios)) == 1


def test_a_part_is_proven_by_a_call_of_its_own(working_copy: Path) -> None:
    rows = prove(part_of(working_copy, *NAMES), threading.Event())
    assert sorted(row.scenario for row in rows) == sorted(NAMES)
    (call,) = (working_copy / "calls").read_text().splitlines()
    assert set(call.split()) >= {"prove", *NAMES, "--skip-steady", str(working_copy / "reports/part")}


def test_rows_of_the_part_before_are_none_of_this_one(working_copy: Path) -> None:
    prove(part_of(working_copy, NAMES[0]), threading.Event())
    (working_copy / "rows.json").write_text("[]")
    with pytest.raises(CannotObserve, match="prove ended with 1: no lab came up"):
        prove(part_of(working_copy, NAMES[0]), threading.Event())


def test_another_xenlab_and_a_stop_prove_nothing(working_copy: Path) -> None:
    part = part_of(working_copy, *NAMES)
    stop = threading.Event()
    stop.set()
    assert prove(part, stop) == ()
    (working_copy / "xenlab/more.py").touch()
    with pytest.raises(CannotObserve, match="holds another xenlab"):
        prove(part, threading.Event())
    assert not (working_copy / "calls").exists()


def test_two_parts_on_one_machine_are_proven_one_after_the_other(
    working_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, most, real = [], [], elsewhere.run

    def runs(*args: object, **how: object) -> object:
        going.append(1)
        most.append(len(going))
        ended = real(*args, **how)  # type: ignore[arg-type]
        going.pop()
        return ended

    monkeypatch.setattr(elsewhere, "run", runs)
    threads = [threading.Thread(target=prove, args=(part_of(working_copy, name), threading.Event())) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1]


def test_the_verb_keeps_the_rows_that_workers_made(
    working_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed = pytest.importorskip("distributed", reason="requirements-dask.txt is not installed")
    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", working_copy)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as one:
        words = ["prove", *NAMES, "nfs-3", "bridge-renamed", "--skip-steady", "--scheduler", one.scheduler_address]
        assert main([*words, "--reports", str(working_copy / "reports")]) == 1
    said = capsys.readouterr().out
    assert "not viable" in said
    assert "why not" in said
    assert "not proven: nfs-3\n" in said
    assert "not proven: bridge-renamed: ./lab prove ended with 1: no lab came up" in said
    kept = json.loads((working_copy / "reports/proof/proof.json").read_text())
    assert sorted(row["scenario"] for row in kept) == sorted(NAMES)
