"""Runs a command where the lab's hosts are reached through a machine on the way, and its guests through the hosts.

Usage: gate.py WORKING_COPY FOLDER COMMAND... The command runs in a network namespace of its own, whose one link leads
to an SSH server beside the lab; there is no route to the lab's network. FOLDER/lab.toml says so.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sshd import Sshd

from xenlab.labfile import HOSTS, JumpSpec, LabFile
from xenlab.remote.waiting import wait_for
from xenlab.testbed.joining import join
from xenlab.testbed.tools import environment
from xenlab.tomlfile import dump

# RFC 5737: addresses for documentation.
GATE, RUNNER = "192.0.2.1", "192.0.2.2"
WIRED = f'read -r wired; ip link set lo up; ip address add {RUNNER}/30 dev to-gate; ip link set to-gate up; exec "$@"'


def behind(gate: JumpSpec, spec: LabFile) -> LabFile:
    """The lab as it is reached from beyond the machine on the way."""
    return spec.model_copy(
        update={
            "kind": "real",
            "hosts": tuple(host.model_copy(update={"via": gate.name}) for host in spec.hosts),
            "guests": tuple(guest.model_copy(update={"via": HOSTS}) for guest in spec.guests),
            "jumps": (gate,),
        }
    )


def main() -> int:
    copy, folder, command = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    spec = join(copy)
    ours = Path("/proc/self/ns/net").readlink()
    runner = subprocess.Popen(
        ["unshare", "--net", "--", "sh", "-ec", WIRED, "sh", *command],
        stdin=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    wait_for(lambda: Path(f"/proc/{runner.pid}/ns/net").readlink() != ours, "a namespace of the runner's own", 10, 0.02)
    for line in (
        f"link add to-runner type veth peer name to-gate netns {runner.pid}",
        f"address add {GATE}/30 dev to-runner",
        "link set to-runner up",
    ):
        subprocess.run(["ip", *line.split()], env=environment(), check=True)
    server = Sshd(GATE)
    login = server.login(folder, "gate")
    gate = JumpSpec(name="gate", address=GATE, port=login.port, key_file=login.key_file, known_hosts=login.known_hosts)
    (folder / "lab.toml").write_text(dump(behind(gate, spec)))
    runner.communicate("wired\n")
    server.stop()
    return runner.returncode


if __name__ == "__main__":
    sys.exit(main())
