"""The proof as one HTML page in the style of the report: what falls short first, then the whole matrix."""

from xenlab import __version__
from xenlab.proving.matrix import Matrix
from xenlab.report.templating import template


def render(matrix: Matrix) -> str:
    """The page; it asks for nothing and works from file://."""
    return template("proof.html.j2").render(
        version=__version__,
        rows=matrix.rows,
        good=sum(row.is_good for row in matrix.rows),
        counts={ended.value: count for ended, count in matrix.counts.items()},
        unseen=[row.scenario for row in matrix.unseen],
        untouched=matrix.untouched,
        odd=matrix.odd,
        checks=matrix.checks,
        wrong=matrix.wrong,
        right=matrix.right,
        underneath=matrix.underneath,
    )
