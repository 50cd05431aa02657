"""Numbers as C reads them, which is how xl reads its settings: base by prefix, in the range of a long."""

import re
from typing import Final

_LONG_MIN: Final = -(2**63)
_LONG_MAX: Final = 2**63 - 1
_DIGITS_OF_A_LONG: Final = 22
"""No long has more digits (in octal, the longest way to write one), but for zeros in front."""

_NUMBER = re.compile(r"[ \t\n\v\f\r]*(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<digits>[0-9]+))")
_DECIMAL = re.compile(r"[ \t\n\v\f\r]*(?P<sign>[-+]?)0*(?P<digits>[0-9]+)")


def c_long(text: str) -> int | None:
    """What strtol(text, &end, 0) gives where it takes the whole text, or None: "not a valid number" to xl.

    "512", "0x200" and "01000" are the same number. Source: xlu_cfg_get_long in Xen's libxlu_cfg.c. Binary
    ("0b1") is refused, as by every C library before glibc 2.38.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    base = 16 if found["hex"] else 8 if found["digits"].startswith("0") else 10
    digits = (found["hex"] or found["digits"]).lstrip("0") or "0"
    if len(digits) > _DIGITS_OF_A_LONG or (base == 8 and not set("89").isdisjoint(digits)):
        return None
    number = int(found["sign"] + digits, base)
    return number if _LONG_MIN <= number <= _LONG_MAX else None


def c_int_prefix(text: str) -> int:
    """What atoi(text) gives: the decimal number at the beginning, 0 where there is none, of 32 bits."""
    found = _DECIMAL.match(text)
    if found is None:
        return 0
    whole = _LONG_MAX if len(found["digits"]) > _DIGITS_OF_A_LONG else min(int(found["digits"]), _LONG_MAX)
    low = (-whole if found["sign"] == "-" else whole) & 0xFFFFFFFF
    return low - (low >> 31 << 32)
