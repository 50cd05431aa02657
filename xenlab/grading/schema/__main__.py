"""Write the schemas anew from the models."""

from xenlab.grading.schema import GRADESCOPE_PATH, PATH, grade_schema, gradescope_schema

PATH.write_text(grade_schema(), encoding="utf-8")
GRADESCOPE_PATH.write_text(gradescope_schema(), encoding="utf-8")
