"""Answers are bounded before they are read: in lines, in digits, and in how deep JSON is nested."""

import pytest

from xenlab.errors import CannotObserve
from xenlab.jsontext import parsed
from xenlab.remote.answers import MOST_LINES, ends_of, lines_of, whole_number
from xenlab.xen.messages import parse_migration
from xenlab.xen.parsers import parse_list


def test_lines_are_those_that_are_not_blank() -> None:
    assert lines_of("a\n\n \t\r\n b\n", "x") == ["a", " b"]
    assert lines_of("\n" * 10 * MOST_LINES, "x") == []


def test_too_many_lines_are_no_answer() -> None:
    assert len(lines_of("a\n" * MOST_LINES, "x")) == MOST_LINES
    with pytest.raises(CannotObserve, match=f"xl list printed {MOST_LINES + 1} lines"):
        lines_of("a\n" * (MOST_LINES + 1), "xl list")
    with pytest.raises(CannotObserve, match="4 lines"):
        lines_of("a\n" * 4, "ping", 3)


def test_of_long_words_both_ends_are_read() -> None:
    lines = [str(number) for number in range(3 * MOST_LINES)]
    ends = ends_of(lines)
    assert (len(ends), ends[0], ends[-1]) == (MOST_LINES, "0", lines[-1])
    assert ends_of(lines[:MOST_LINES]) == lines[:MOST_LINES]
    words = "migration target: Ready to receive domain.\n" + "noise\n" * 2 * MOST_LINES + "libxl: error: at the end\n"
    assert parse_migration(words).errors == ("libxl: error: at the end",)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("12", 12), (" 12\n", 12), ("0012", 12), ("9" * 18, int("9" * 18))),
        *(("9" * 19, None), ("-1", None), ("1.5", None), ("", None), ("²", None), ("١", None), ("1_000", None)),
    ],
)
def test_numbers_are_bounded(text: str, number: int | None) -> None:
    assert whole_number(text) == number


def test_json_that_cannot_be_read_is_a_value_error() -> None:
    assert parsed(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    for text in ("[" * 100_000, "9" * 5000, "{", b"\xff", ""):
        with pytest.raises(ValueError, match=r"."):
            parsed(text)


def test_a_domain_with_a_number_that_is_none_is_told() -> None:
    with pytest.raises(CannotObserve, match="xl list printed something unknown"):
        parse_list(f"Name ID Mem VCPUs State Time(s)\nDomain-0 {'9' * 5000} 512 2 r----- 12.3\n")
