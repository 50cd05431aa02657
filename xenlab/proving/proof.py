"""The proof as it lies in its folder: proof.json, one row a scenario; proof.md and proof.html for readers."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from xenlab.errors import UsageError
from xenlab.evidence.files import write_whole
from xenlab.proving.html import render
from xenlab.proving.matrix import Matrix
from xenlab.proving.pages import markdown
from xenlab.proving.row import Row, digest_of
from xenlab.scenarios.scenario import Scenario

_ROWS = TypeAdapter(tuple[Row, ...])


class Proof:
    """The rows that were proven last, in the catalogue's order; each new one is written down at once."""

    def __init__(self, folder: Path, catalogue: Sequence[Scenario]) -> None:
        """Read what is there.

        :raises UsageError: the file there is no proof of ours.
        """
        self.folder = folder
        self._catalogue = catalogue
        self._rows = {row.scenario: row for row in _read(folder / "proof.json")}

    @property
    def matrix(self) -> Matrix:
        """All rows; those of scenarios that are no more are left out."""
        steady = [name for name in self._rows if name.startswith("as-it-is-")]
        order = [*(scenario.name for scenario in self._catalogue), *steady]
        return Matrix(tuple(self._rows[name] for name in order if name in self._rows))

    def left(self, scenarios: Sequence[Scenario]) -> list[Scenario]:
        """Those that have no good row yet, or were changed since."""
        done = {row.scenario: row.digest for row in self._rows.values() if row.is_good}
        return [scenario for scenario in scenarios if done.get(scenario.name) != digest_of(scenario)]

    def keep(self, row: Row) -> None:
        """Put a row in its place, and write all down.

        :raises OSError: it cannot be written.
        """
        self._rows[row.scenario] = row
        rows = [each.model_dump(mode="json") for each in self.matrix.rows]
        write_whole(self.folder / "proof.json", json.dumps(rows, indent=1) + "\n")
        write_whole(self.folder / "proof.md", markdown(self.matrix, self._unproven()))
        write_whole(self.folder / "proof.html", render(self.matrix))

    def _unproven(self) -> list[str]:
        digests = {row.scenario: row.digest for row in self._rows.values()}
        return [each.name for each in self._catalogue if digests.get(each.name) != digest_of(each)]


def _read(path: Path) -> list[Row]:
    try:
        return list(_ROWS.validate_json(path.read_bytes()))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path} is no proof: {problem}", hint="remove it, and prove all again") from None
