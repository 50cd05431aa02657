"""What all pages have in common: the templates beside this module, and how texts, figures and times are shown in them.

Pages ask for nothing and have no script, but for a class's index, which has one of ours. Whatever came from the hosts
goes through `plain` and Jinja's escaping.
"""

import re
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from xenlab.evidence.text import brief, plain, points
from xenlab.outcomes import StepResult
from xenlab.report.reading import is_ungradable


@cache
def template(name: str) -> Template:
    """The template of that file name."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": plain,
        "brief": lambda text, limit=240: brief(plain(text), limit),
        "points": points,
        "title_text": _title_text,
        "got": _got,
        "seconds": _seconds,
        "moment": _moment,
        "day": _day,
        "percent": lambda part: f"{points(100 * part)} %",
        "ms": ms,
    }
    return environment.get_template(name)


def ms(value: float) -> str:
    """Milliseconds, for people."""
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.3g} ms"


def _got(step: StepResult) -> str:
    """The points of a step; what could not be observed is never told as none."""
    return "–" if is_ungradable(step) else points(step.earned)


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds} s"


def _title_text(title: str) -> Markup:
    """A title as HTML; what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(title))))  # noqa: S704


def _moment(value: datetime) -> str:
    value = value.astimezone(UTC)
    return f"{_day(value)}, {value:%H:%M} UTC"


def _day(value: date) -> str:
    return f"{value.day} {value:%B %Y}"
