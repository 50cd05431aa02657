"""Write grade.schema.json anew from the model."""

from xenlab.grading.schema import PATH, grade_schema

PATH.write_text(grade_schema(), encoding="utf-8")
