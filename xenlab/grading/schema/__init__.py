"""The JSON schemas of the reports, made from their models; `python -m xenlab.grading.schema` writes them anew."""

import json
from pathlib import Path

from xenlab.grading.exporters.gradescope import GradescopeResults
from xenlab.outcomes import Grade

PATH = Path(__file__).parent / "grade.schema.json"
GRADESCOPE_PATH = Path(__file__).parent / "gradescope-results.schema.json"


def grade_schema() -> str:
    """The schema of grade.json as it lies in `PATH`."""
    return _text(Grade.model_json_schema(by_alias=True))


def gradescope_schema() -> str:
    """The schema of gradescope-results.json as it lies in `GRADESCOPE_PATH`: nothing that is written may be missing."""
    return _text(GradescopeResults.model_json_schema(mode="serialization"))


def _text(schema: dict[str, object]) -> str:
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
