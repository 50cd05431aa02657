"""`python -m xenlab.causes` writes docs/causes.md anew from the dictionary."""

from pathlib import Path

from xenlab.causes.page import causes_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "causes.md"

if __name__ == "__main__":
    PAGE.write_text(causes_page(), "utf-8")
