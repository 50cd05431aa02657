"""All rows together: what no check saw, and which checks no fault turned red. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from xenlab.outcomes import Outcome
from xenlab.proving.row import Row, RowEnd

_OF_NO_CHECK = ("not-run", "cannot-observe", "cannot-run", "unexpected-error")
"""What is recorded where a check could not even be made."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The proof: a row a scenario, a column a check ("step/check")."""

    rows: tuple[Row, ...]

    @property
    def checks(self) -> tuple[str, ...]:
        """Every check that any run made, step by step in the order in which they were made."""
        steps: dict[str, dict[str, None]] = {}
        for row in (row for row in self.rows if not row.must_end):
            for key in row.checks:
                step, _, check = key.partition("/")
                if check not in _OF_NO_CHECK:
                    steps.setdefault(step, {})[key] = None
        return tuple(key for checks in steps.values() for key in checks)

    @property
    def wrong(self) -> tuple[Row, ...]:
        """Those of wrong labs."""
        return tuple(row for row in self.rows if row.red)

    @property
    def right(self) -> tuple[Row, ...]:
        """Those of right labs."""
        return tuple(row for row in self.rows if not row.red and not row.must_end)

    @property
    def underneath(self) -> tuple[Row, ...]:
        """Those of runs that were disrupted."""
        return tuple(row for row in self.rows if row.must_end)

    @property
    def unseen(self) -> tuple[Row, ...]:
        """The faults that no check saw."""
        return tuple(row for row in self.rows if row.ended is RowEnd.SURVIVED)

    @property
    def untouched(self) -> tuple[str, ...]:
        """The checks that no fault turned red: nobody has shown that they can fail."""
        red = {row.red for row in self.rows if row.ended is RowEnd.KILLED}
        red |= {key for row in self.rows if row.red for key, outcome in row.checks.items() if outcome is Outcome.FAILED}
        return tuple(key for key in self.checks if key not in red)

    @property
    def odd(self) -> tuple[Row, ...]:
        """The rows that are not as they should be."""
        return tuple(row for row in self.rows if not row.is_good)

    @property
    def counts(self) -> Mapping[RowEnd, int]:
        """How many rows ended how."""
        return Counter(row.ended for row in self.rows)
