"""The graded run: its lab, its nouns. Everything a test in tests/ needs comes from here."""

pytest_plugins = ["fixtures.lab", "fixtures.nouns"]
