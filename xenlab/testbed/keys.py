"""The embedded lab's SSH keys: one login key, one host key a machine, and their known_hosts."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xenlab.testbed.plan import NamedAddress


@dataclass(frozen=True, slots=True)
class LabKeys:
    """All key material of one lab, as the texts OpenSSH reads. Made anew with each image build."""

    login_private: str
    login_public: str
    host_private: dict[str, str]
    host_public: dict[str, str]
    known_hosts: str
    machine_ids: dict[str, str]

    @classmethod
    def generate(cls, machines: Sequence[NamedAddress]) -> "LabKeys":
        """Fresh keys for these machines."""
        login_private, login_public = _pair("xenlab")
        pairs = {machine.name: _pair(machine.name) for machine in machines}
        known = "".join(f"{machine.name},{machine.address} {pairs[machine.name][1]}" for machine in machines)
        return cls(
            login_private=login_private,
            login_public=login_public,
            host_private={name: pair[0] for name, pair in pairs.items()},
            host_public={name: pair[1] for name, pair in pairs.items()},
            known_hosts=known,
            machine_ids={machine.name: secrets.token_hex(16) for machine in machines},
        )


def _pair(comment: str) -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return private, f"{public} {comment}\n"
