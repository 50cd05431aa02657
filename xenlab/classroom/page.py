"""The class as one HTML page in the style of the report: what many share, and a row a team with its report."""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from xenlab import __version__
from xenlab.classroom.gradebook import Entry, counts, shared, steps_of
from xenlab.evidence.text import plain
from xenlab.report.templating import template

_SHARED = 100


def render(entries: Sequence[Entry], sheet: Iterable[str], assignment: str) -> str:
    """The page; it asks for nothing and works from file://. Its one script is ours, and its policy takes no other."""
    script = template("class.js").render()
    return template("class.html.j2").render(
        version=__version__,
        assignment=plain(assignment),
        entries=entries,
        counts=counts(entries),
        shared=shared(entries)[:_SHARED],
        steps=steps_of(entries, sheet),
        by_step={entry.folder: {step.id: step for step in entry.row.steps} if entry.row else {} for entry in entries},
        script=Markup(script),  # noqa: S704
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
