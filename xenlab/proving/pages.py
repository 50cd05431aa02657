"""The proof for readers: as Markdown for docs/proof.md, and in a line a row for the terminal. Pure."""

from collections.abc import Iterator, Sequence

from xenlab.proving.matrix import Matrix
from xenlab.proving.row import Row, RowEnd

_HEAD = """\
# Proof

What `./lab prove` showed: every fault of the catalogue planted in the embedded lab, graded, and undone. A wrong lab
must turn red the check that is there for it, with its cause, and no other step; a right lab must stay green. A run that
something goes wrong underneath must end in its time, with the right outcome and words, its evidence readable and no
guest lost. The times are those of the machine that this was run on.
"""


def line(row: Row) -> str:
    """One row in one line, for the terminal."""
    what = row.must_end or row.red or row.step
    more = "" if row.is_good else f": {row.why or _said(row)}"
    return f"{row.ended.value:<11}{row.seconds:6.0f} s  {row.scenario:<36} {what}{more}"


def summary(matrix: Matrix) -> Iterator[str]:
    """The counts, and the two lists that tell what is not proven."""
    yield ", ".join(f"{count} {ended.value}" for ended, count in matrix.counts.items())
    yield f"faults that no check saw: {_listed(row.scenario for row in matrix.unseen)}"
    yield f"checks that no fault turned red: {_listed(matrix.untouched)}"


def markdown(matrix: Matrix, unproven: Sequence[str] = ()) -> str:
    """docs/proof.md; `unproven` are the scenarios that have no row, or one of before they were changed."""
    parts = [
        _HEAD,
        *(f"- {text}" for text in summary(matrix)),
        "",
        "## Wrong labs",
        "",
        *_table(matrix.wrong, "must turn red"),
    ]
    parts += ["", "## Right labs", "", *_table(matrix.right, "graded up to")]
    parts += ["", "## Underneath", "", *_table(matrix.underneath, "must end")]
    if odd := matrix.odd:
        parts += ["", "## Not as they should be", ""]
        parts += [f"- **{row.scenario}** ({row.ended.value}): {_cell(row.why or _said(row))}" for row in odd]
    if unproven:
        parts += ["", "## Not proven yet", "", ", ".join(unproven)]
    return "\n".join(parts) + "\n"


def _table(rows: Sequence[Row], third: str) -> Iterator[str]:
    yield f"| scenario | what | {third} | ended | seconds |"
    yield "|---|---|---|---|---|"
    for row in rows:
        ended = row.ended.value if row.is_good else f"**{row.ended.value}**"
        wanted = row.must_end or row.red or row.step
        yield f"| {row.scenario} | {_cell(row.what)} | {wanted} | {ended} | {row.seconds:.0f} |"


def _said(row: Row) -> str:
    if not row.not_held:
        return "nothing turned red" if row.ended is RowEnd.SURVIVED else "nothing was told"
    return "; ".join(f"{one.step}/{one.check} {one.outcome.value}: {one.words}" for one in row.not_held[:3])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _listed(words: "Iterator[str] | tuple[str, ...]") -> str:
    return ", ".join(words) or "none"
