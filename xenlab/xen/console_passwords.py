"""Passwords of graphical consoles in what hosts say: in xl.cfg(5), and in the JSON of `xl list -l`. Pure."""

import re
from collections.abc import Callable

_IN_CONFIG = r"""(?P<key>(?:vnc|spice)passwd\s*=\s*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;'"\]]+)"""
_IN_JSON = r"""(?P<name>"passwd"\s*:\s*)"(?P<string>(?:[^"\\\n]|\\.)*)\""""
_PASSWORD = re.compile(f"{_IN_CONFIG}|{_IN_JSON}")


def with_passwords_replaced(text: str, instead: Callable[[str], str]) -> str:
    """The text with `instead` of each password; quotes stay, so that what was a config is one still."""

    def replaced(found: re.Match[str]) -> str:
        if found["name"]:
            return f'{found["name"]}"{instead(found["string"])}"'
        value = found["value"]
        quote = value[0] if value[0] in "\"'" else ""
        return f"{found['key']}{quote}{instead(value.strip(quote) if quote else value)}{quote}"

    return _PASSWORD.sub(replaced, text)
