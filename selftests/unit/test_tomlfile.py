"""TOML that would cost seconds to read, or that Python gives up on, is refused in one line."""

import time

import pytest

from xenlab.errors import UsageError
from xenlab.jsontext import parsed
from xenlab.tomlfile import LONGEST, LONGEST_LINE, data_of


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# a\n" * LONGEST, f"too long: {4 * LONGEST} characters"),
        ("a." * LONGEST_LINE + "a = 1", f"too long: a line of {2 * LONGEST_LINE + 5} characters"),
        ("a = " + "[" * 1500, "not valid TOML: "),
        ("a = " + "9" * 1999, "too long: a line"),
        ("a = [\n" + "[\n" * 1500, "not valid TOML: "),
        ("a = ", "not valid TOML: "),
    ],
)
def test_what_is_no_file_of_ours(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=rf"rubric\.toml: {says}"):
        data_of(text, "rubric.toml")


def test_all_that_may_be_long_is_read_within_a_second() -> None:
    line = "a." * (LONGEST_LINE // 2 - 10)
    text = "".join(f"{line}k{number} = 1\n" for number in range(LONGEST // LONGEST_LINE - 1))
    began = time.thread_time()
    with pytest.raises(UsageError, match="not valid TOML"):
        data_of(text, "lab.toml")
    assert time.thread_time() - began < 1


def test_dates_are_strings_and_the_rest_as_it_is() -> None:
    assert parsed(data_of("until = 2026-12-31\na = [1, 2.5, true]", "x")) == {
        "until": "2026-12-31",
        "a": [1, 2.5, True],
    }
