"""The JSON schema of grade.json, made from the model; `python -m xenlab.grading.schema` writes it anew."""

import json
from pathlib import Path

from xenlab.outcomes import Grade

PATH = Path(__file__).parent / "grade.schema.json"


def grade_schema() -> str:
    """The schema as it lies in `PATH`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Grade.model_json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=2) + "\n"
