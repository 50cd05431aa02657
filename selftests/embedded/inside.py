"""Runs a command where a working copy's lab is reached, as somebody has it who is on the lab's network.

Usage: inside.py WORKING_COPY COMMAND...
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from xenlab.testbed.joining import join

if __name__ == "__main__":
    join(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
