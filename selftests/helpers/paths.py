"""Where things are in the working copy."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "selftests" / "helpers" / "data"
PINGS = ROOT / "selftests" / "helpers" / "pings"
RECORDINGS = ROOT / "selftests" / "recordings"
