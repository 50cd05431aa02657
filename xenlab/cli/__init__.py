"""The verbs of ./lab: a module a family; what a verb needs is imported when it runs."""
