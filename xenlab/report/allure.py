"""Allure's own page made fit to be handed on: it calls nobody, and says the grade before anything else. Pure."""

import re

from markupsafe import Markup

from xenlab.errors import XenlabError
from xenlab.evidence.text import brief, plain, points
from xenlab.outcomes import CheckResult, Grade, StepResult
from xenlab.report.reading import NO_COUNT, first_to_fix, in_a_sentence, nothing_observed

# A tag is searched up to the next one only, so that tags without an end do not cost the square of the page's length.
_CALL_HOME = re.compile(
    r"""<script\b[^<>]*\bsrc=["']https?://[^"'<>]*["'][^<>]*>\s*</script>"""
    r"""(?:\s*<script>(?:(?!</?script>).)*?\bdataLayer\b.*?</script>)?""",
    re.DOTALL,
)
# What a browser fetches by itself; a link that is only there to be followed is none of it.
_FETCHED = re.compile(
    r"""<(?!a\b)[a-z][^<>]*?\s(?:src|href|data|action|poster|srcset)\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s;]+)""",
    re.IGNORECASE,
)
_CALLS = re.compile(r"googletagmanager|\bgtag\(|\bdataLayer\b")
_POLICY = Markup(
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'none'\">"
)
# The ring is Allure's success rate, which leaves out what was blocked: it is not the grade.
_STYLE = Markup("""<style>
article:has(> svg + [role="img"][aria-label*="%"]){display:none}
#xenlab-grade{position:relative;z-index:1;padding:12px 24px;color:#fff;font:15px/1.5 system-ui,sans-serif}
#xenlab-grade.passed{background:#1d6b3a}#xenlab-grade.failed{background:#a3201a}#xenlab-grade.error{background:#6b4a00}
#xenlab-grade strong{font-size:20px;font-weight:700;margin-right:12px}
#xenlab-grade p{margin:4px 0 0}#xenlab-grade a{color:#fff}
</style>""")
_BANNER = Markup("""<header id="xenlab-grade" class="{verdict}">
<strong>{earned} of {possible} points: {verdict}</strong> {says}
{count}{fix}<p><a href="report.html">The whole report</a></p>
</header>""")
_FIX = Markup("<p>Fix this first: {what}</p>\n{hint}")
_COUNT = Markup("<p>{count}</p>\n")
_HINT = Markup("<p>Hint: {hint}</p>\n")


def finished(page: str, grade: Grade) -> str:
    """Allure's page without its call home, unable to fetch anything from outside, with the grade on top.

    :raises XenlabError: there is no such page in it, or something is left that would call out.
    """
    for tag in ("<head>", "<body>"):
        if page.count(tag) != 1:
            raise XenlabError(f"Allure's page has no {tag}", hint="this xenlab does not know that version of Allure")
    page = without_call_home(page)
    page = page.replace("<head>", f"<head>{_POLICY}{_STYLE}", 1)
    return page.replace("<body>", f"<body>{banner(grade)}", 1)


def without_call_home(page: str) -> str:
    """`page` without the scripts that come from elsewhere, and what each is followed by to feed it.

    :raises XenlabError: something is left that would call out.
    """
    page = _CALL_HOME.sub("", page)
    if left := fetched(page) or _CALLS.findall(page):
        raise XenlabError(
            f"Allure's page would still call {brief(left[0], 80)}",
            hint="this xenlab does not know that version of Allure",
        )
    return page


def fetched(page: str) -> list[str]:
    """The addresses outside `page` that a browser would fetch to show it."""
    return [first or second for first, second in _FETCHED.findall(page)]


def banner(grade: Grade) -> Markup:
    """The score, the verdict and what to fix first."""
    found = first_to_fix(grade)
    return _BANNER.format(
        verdict=grade.verdict,
        earned="–" if nothing_observed(grade.score) else points(grade.score.earned),
        possible=points(grade.score.possible),
        says=in_a_sentence(grade),
        count=_COUNT.format(count=_not_counted(grade)) if grade.score.ungradable or grade.verdict == "error" else "",
        fix=_to_fix(*found) if found else "",
    )


def _not_counted(grade: Grade) -> str:
    parts = [f"{points(grade.score.ungradable)} points could not be observed"] if grade.score.ungradable else []
    return "; ".join([*parts, *([NO_COUNT] if grade.verdict == "error" else [])])


def _to_fix(step: StepResult, check: CheckResult) -> Markup:
    where = " on ".join(part for part in (check.guest, check.host) if part)
    named = f"{step.id}: {check.id}" + (f" ({where})" if where else "")
    expected = f"expected {_shown(check.expected)}, found " if check.expected else ""
    hint = _HINT.format(hint=_shown(check.hint)) if check.hint else ""
    return _FIX.format(what=f"{named}: {expected}{_shown(check.actual)}", hint=hint)


def _shown(text: str) -> str:
    return brief(plain(text))
