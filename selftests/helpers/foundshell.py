"""What a played host (`foundlab`) has for a login shell: foundshell.py ROOT LINE runs a line of sh there.

Fixed places in the line lead below the folder ROOT, and what it prints leads back; programs of ROOT/.bin come first.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

_PLACES = "etc|home|root|mnt|srv|net|var/lib|sys/class/net|proc/self/mountinfo|proc/cpuinfo"
_PLACE = re.compile(rf"(?<![\w./-])/(?=(?:{_PLACES})\b)(?!etc/ssh)")


def played(root: Path, line: str) -> tuple[str, str, int]:
    """Run a line of sh on the host whose root that is: what it printed on both streams, and its exit code."""
    answers = root / ".answers"
    environ = {**os.environ, "PATH": f"{root / '.bin'}:{os.environ['PATH']}", "ANSWERS": str(answers)}
    environ |= {"ROOT": str(root), "LC_ALL": "C", "SSH_CONNECTION": (answers / "connection").read_text()}
    here = _PLACE.sub(f"{root}/", line)
    done = subprocess.run(
        ["sh", "-c", here], env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=root
    )
    there = [stream.decode(errors="replace").replace(str(root), "") for stream in (done.stdout, done.stderr)]
    return there[0], there[1], done.returncode


if __name__ == "__main__":
    written, complained, ended = played(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.write(written)
    sys.stderr.write(complained)
    sys.exit(ended)
