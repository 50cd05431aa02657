"""Steps, checks and grades: how looks at a lab become points."""
