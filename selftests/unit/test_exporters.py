"""What others are given of a grade: Gradescope's results and the page of Markdown."""

import json
import re
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from madeupruns import HOSTILE, MadeUp, check, made_up, of
from markdown_it import MarkdownIt

from xenlab.evidence.text import plain
from xenlab.grading.exporters.gradescope import GradescopeResults, gradescope
from xenlab.grading.exporters.markdown import CELL, escaped, markdown
from xenlab.grading.schema import GRADESCOPE_PATH, gradescope_schema
from xenlab.grading.scoring import Instance, StepSpec
from xenlab.outcomes import AnatomySummary, CheckResult, Grade, Late, MigrationRecord, Outcome, Waiver

try:
    import jsonschema
except ImportError:
    jsonschema = None


def results(grade: Grade) -> dict[str, object]:
    """What is written, checked against the schema."""
    made = gradescope(grade)
    assert made is not None
    text = made.model_dump_json(indent=2)
    text.encode()
    if jsonschema is not None:
        jsonschema.Draft202012Validator(json.loads(GRADESCOPE_PATH.read_text())).validate(json.loads(text))
    GradescopeResults.model_validate_json(text, strict=True)
    return json.loads(text)


def table(page: str) -> list[list[str]]:
    """The rows of a page's one table, as a reader of Markdown sees them."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    assert sum(token.type == "table_open" for token in tokens) == 1
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("th_open", "td_open"):
            rows[-1].append("".join(child.content for child in token.children))
    return rows


# Gradescope


@pytest.mark.parametrize(
    ("outcome", "status", "score", "of_points", "says"),
    [
        ("passed", "passed", 10, 10, "Passed."),
        ("waived", "passed", 10, 10, "Passed, by a waiver."),
        ("failed", "failed", 0, 10, "Failed."),
        ("blocked", "failed", 0, 10, "Not run: blocked by step-0."),
        (
            *("error", "failed", 0, 0),
            "Not gradable: it could not be observed, which says nothing about whether the lab is right.",
        ),
    ],
)
def test_gradescope_knows_passed_and_failed_only(
    outcome: str, status: str, score: float, of_points: float, says: str
) -> None:
    test = results(of("failed", outcome))["tests"][1]
    assert (test["status"], test["score"], test["max_score"]) == (status, score, of_points)
    assert test["output"].splitlines()[0] == says
    assert test["tags"] == [outcome]
    assert (test["name"], test["number"]) == ("step-1: Title of step-1.", "2")


def test_a_step_blocked_for_one_guest_keeps_what_the_other_earned() -> None:
    runs = [
        Instance("hosts", None, (check("c", "failed"),)),
        Instance("a", "guest1", (check("not-run", "blocked", guest="guest1"),), 0, "hosts"),
        Instance("a", "guest2", (check(guest="guest2"),)),
    ]
    _, test = results(MadeUp([StepSpec("hosts", "Hosts.", 5), StepSpec("a", "A.", 5)], runs).grade())["tests"]
    assert (test["status"], test["score"]) == ("failed", 2.5)
    assert test["output"] == "Not run for guest1: blocked by hosts."


def test_gradescope_says_what_failed_and_who_waived_what() -> None:
    waiver = Waiver(who="T", why="told so", until="2026-03-31")
    checks = (
        check("fine"),
        CheckResult(id="swap", outcome=Outcome.WAIVED, actual="none", guest="guest2", waiver=waiver),
        CheckResult(id="disk", outcome=Outcome.FAILED, expected="a file", actual="nothing", hint="mend", host="baye"),
    )
    grade = MadeUp([StepSpec("a", "A.", 9, (), False)], [Instance("a", None, checks)]).grade()
    given = results(grade)
    assert given["output"].splitlines() == ["6 of 9: passed.", "Fix this first: a: disk (baye): nothing", "Hint: mend"]
    assert given["tests"][0]["tags"] == ["failed", "optional"]
    assert given["tests"][0]["output"].splitlines() == [
        "Failed; optional: it costs its points only.",
        "swap (guest2): waived",
        "  found: none",
        "  waived by T until 2026-03-31: told so",
        "disk (baye): failed",
        "  expected: a file",
        "  found: nothing",
        "  hint: mend",
    ]


@pytest.mark.parametrize("outcomes", [("passed", "error"), ("error",), (), ("blocked",)])
def test_an_attempt_that_should_not_count_is_handed_to_no_gradebook(outcomes: tuple[str, ...]) -> None:
    assert gradescope(of(*outcomes)) is None


def test_what_was_not_observed_is_no_zero_of_the_student_s() -> None:
    given = results(of("passed", "failed", "error"))
    assert given["output"].splitlines()[:2] == [
        "10 of 30 seen; 10 could not be observed: failed.",
        "What could not be observed is no fault of yours: have it graded again.",
    ]
    assert [(test["score"], test["max_score"]) for test in given["tests"]] == [(10, 10), (0, 10), (0, 0)]


def test_what_an_unseen_step_blocks_is_no_zero_either() -> None:
    def runs(root: str) -> list[Instance]:
        blocked = check("not-run", "blocked")
        return [
            Instance("b", None, (check("c", "failed"),)),
            Instance("hosts", None, (check("c", root),)),
            Instance("a", None, (blocked,), 0, "hosts", root_observed=root != "error"),
        ]

    specs = [StepSpec("b", "B.", 5), StepSpec("hosts", "Hosts.", 5), StepSpec("a", "A.", 5)]
    unseen = results(MadeUp(specs, runs("error")).grade())["tests"][2]
    assert (unseen["score"], unseen["max_score"]) == (0, 0)
    assert unseen["output"] == "Not run: blocked by hosts, which could not be observed: not gradable."
    lost = results(MadeUp(specs, runs("failed")).grade())["tests"][2]
    assert (lost["score"], lost["max_score"], lost["output"]) == (0, 5, "Not run: blocked by hosts.")


def test_a_failed_step_that_could_not_all_be_seen_names_both() -> None:
    runs = [Instance("a", None, (check("x", "failed"), check("y", "error")))]
    grade = MadeUp([StepSpec("a", "A.", 5)], runs).grade()
    said = "Failed. 1 check of it could not be observed, which is no fault of yours."
    assert results(grade)["tests"][0]["output"].splitlines()[0] == said
    assert said in table(markdown(grade))[1][3]


def test_hidden_steps_are_for_after_grades_are_published() -> None:
    given = results(of("failed", text="secret", hidden=True))
    assert given["tests"][0]["visibility"] == "after_published"
    assert given["stdout_visibility"] == "hidden"
    assert "secret" not in given["output"]
    assert results(of("failed", text="open"))["tests"][0]["visibility"] == "visible"


def test_late_work_is_said_and_counted() -> None:
    made = MadeUp([StepSpec("a", "A.", 9)], [Instance("a", None, (check(),))], Late(hours=30.5, factor=0.5))
    given = results(made.grade())
    assert (given["score"], given["tests"][0]["score"]) == (4.5, 9)
    assert given["output"] == "4.5 of 9 (30.5 h late: 0.5 of 9): passed."
    assert "4.5 of 9 (30.5 h late: 0.5 of 9)" in unescape(markdown(made.grade())).replace("\\", "")


def test_outputs_are_bounded() -> None:
    many = tuple(check(f"c{number}", "failed", actual="x" * 4096) for number in range(500))
    grade = MadeUp([StepSpec("a", "A." * 500, 9)], [Instance("a", None, many)]).grade()
    text = gradescope(grade).model_dump_json()
    assert len(text) < 20_000
    assert "characters cut" in text
    assert len(markdown(grade)) < 6 * CELL


def test_the_schema_of_gradescope_s_file_is_up_to_date() -> None:
    assert GRADESCOPE_PATH.read_text("utf-8") == gradescope_schema(), "run: python -m xenlab.grading.schema"


@pytest.mark.parametrize("change", [{"status": "skipped"}, {"score": -1.0}, {"visibility": "later"}, {"extra": 1}])
def test_what_gradescope_would_not_take_is_noticed(change: dict[str, object]) -> None:
    given = results(of("passed"))
    given["tests"][0] |= change
    if jsonschema is not None:
        schema = jsonschema.Draft202012Validator(json.loads(GRADESCOPE_PATH.read_text()))
        assert not schema.is_valid(given)
    with pytest.raises(ValueError, match="GradescopeResults"):
        GradescopeResults.model_validate_json(json.dumps(given), strict=True)


# Markdown


def test_the_page_has_a_row_a_step() -> None:
    page = markdown(of("passed", "failed", "blocked", "error", "waived", text="Words."))
    head, *rows = table(page)
    assert head == ["step", "outcome", "points", "what"]
    assert [row[:3] for row in rows] == [
        ["step-0", "✅ passed", "10 of 10"],
        ["step-1", "❌ failed", "0 of 10"],
        ["step-2", "⏸️ blocked", "0 of 10"],
        ["step-3", "⚠️ error", "not gradable"],
        ["step-4", "☑️ waived", "10 of 10"],
    ]
    assert rows[0][3] == "Words."
    assert rows[1][3].startswith("Words. Failed. Words. (Words. on Words.): failed expected: Words. found: Words.")
    assert "**Fix this first:** step\\-1\\: Words\\. \\(Words\\. on Words\\.\\)" in page


def test_of_a_hidden_step_the_page_has_the_outcome_only() -> None:
    runs = [Instance("a", None, (check("secret", "failed", actual="secret"),))]
    page = markdown(MadeUp([StepSpec("a", "A.", 9, hidden=True)], runs).grade())
    assert "secret" not in page
    assert table(page)[1] == ["a", "❌ failed", "0 of 9", "A. Failed."]


def test_an_error_says_that_nothing_is_known() -> None:
    page = markdown(of("error"))
    assert "This attempt should not count: no fault of yours." in page
    assert "which says nothing about whether the lab is right" in table(page)[1][3]
    assert "0 of 10 seen; 10 could not be observed" in page.splitlines()[0].replace("\\", "")
    assert "should not count" not in markdown(of("failed", "error"))


def test_where_the_downtime_went_is_on_the_page() -> None:
    still = {"blackout_ms": 16200, "untold_ms": 0, "doubt_ms": 50, "brownout_ms": 0, "stages": ()}
    told = AnatomySummary(**still, sentence="Of 16.2 s, 12.0 s went to [disks](x).", causes=("a cause",))  # type: ignore[arg-type]
    move = MigrationRecord(
        guest="guest1", kind="live", source="a", target="b", seconds=40, same_boot=True, anatomy=told
    )
    silent = move.model_copy(update={"anatomy": told.model_copy(update={"sentence": ""})})
    page = markdown(of("passed").model_copy(update={"migrations": (move, silent)}))
    shown = [unescape(re.sub(r"\\([^\w\s])", r"\1", line)) for line in page.splitlines() if "guest1" in line]
    assert shown == ["- guest1, a to b: Of 16.2 s, 12.0 s went to [disks](x). (a cause)"]
    assert "**Downtime:**" in page
    assert "Downtime" not in markdown(of("passed").model_copy(update={"migrations": (silent,)}))


def test_remarks_and_the_guests_whereabouts_come_last() -> None:
    texts = {"remarks": ("baye: payroll was created",), "whereabouts": ("guest1 is on baye", "guest2 is off")}
    page = markdown(of("passed").model_copy(update=texts))
    assert page.replace("\\", "").endswith(
        "**Remarks:**\n- baye: payroll was created\n\n**Where the guests are:**\n- guest1 is on baye\n- guest2 is off\n"
    )
    harmless_markdown(markdown(of("passed").model_copy(update={"remarks": (HOSTILE,) * 3, "whereabouts": (HOSTILE,)})))


# Texts that mean harm


def harmless_markdown(page: str) -> None:
    """A reader of Markdown finds our own marks in it and no other."""
    page.encode()
    assert page == plain(page)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in (*tokens, *inline)}
    ours = {"heading", "paragraph", "inline", "text", "strong", "bullet_list", "list_item"}
    assert kinds <= ours | {"table", "thead", "tbody", "tr", "th", "td", "text_special"}
    assert sum(token.type == "heading_open" for token in tokens) == 1
    assert all(len(row) == 4 for row in table(page))
    for line in page.splitlines():
        if line.startswith("| "):
            assert all(len(cell) <= CELL for cell in line.strip("| ").split(" | "))


def harmless_results(grade: Grade) -> None:
    given = results(grade)
    texts = [given["output"], *(test[key] for test in given["tests"] for key in ("name", "output"))]
    assert texts == [plain(text) for text in texts]
    formats = {given[key] for key in given if key.endswith("_format")}
    formats |= {test[key] for test in given["tests"] for key in test if key.endswith("_format")}
    assert formats == {"text"}  # as text Gradescope shows markup, and does not follow it


@pytest.mark.parametrize("hidden", [False, True])
def test_hostile_texts_stay_texts(hidden: bool) -> None:
    grade = of("passed", "failed", "blocked", "error", "waived", text=HOSTILE, hidden=hidden)
    harmless_markdown(markdown(grade))
    harmless_results(grade)
    assert "<script>" not in markdown(grade)
    assert len(table(markdown(grade))) == 6
    if not hidden:
        assert "<script>alert(1)</script> | a `b` **c**" in table(markdown(grade))[2][3]


nasty = st.text(st.characters() | st.sampled_from("<>|`*_[]()!\\#&~-\n\x1b\u202e\ud800"), min_size=1, max_size=300)


@given(nasty, st.integers(2, 600))
def test_any_text_stays_one_bounded_line_of_text(text: str, limit: int) -> None:
    line = escaped(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parseInline(line)
    assert {child.type for token in tokens for child in token.children} <= {"text", "text_special"}


@settings(max_examples=50)
@given(nasty.filter(str.strip))
def test_any_text_is_harmless_in_both(text: str) -> None:
    grade = of("failed", "waived", text=text)
    harmless_markdown(markdown(grade))
    harmless_results(grade)


@given(made_up())
def test_any_run_is_taken_by_gradescope(made: MadeUp) -> None:
    grade = made.grade()
    if grade.verdict == "error":
        assert gradescope(grade) is None
        return
    given = results(grade)
    assert given["score"] == grade.score.earned
    assert len(given["tests"]) == len(grade.steps)
    assert all(test["score"] <= test["max_score"] for test in given["tests"])
