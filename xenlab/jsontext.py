"""JSON text as data: the one way to read it, since Python's own gives up on two kinds of text otherwise than others."""

import json
from typing import Any


def parsed(text: str | bytes) -> Any:  # noqa: ANN401 - as json.loads
    """The data.

    :raises ValueError: it is no JSON, is nested deeper than Python reads, or has a number longer than that.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
