"""A grade in the forms that others take it in: pure, each from the grade alone."""
