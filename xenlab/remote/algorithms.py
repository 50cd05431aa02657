"""Which algorithms SSH is spoken by (RFC 4253, section 7.1): what a server offers, and old ones for whom asks for them.

paramiko 5 still has AES-CBC, 3DES, HMAC-SHA-1 and HMAC-MD5, and takes them from any server that has nothing better.
It has no SHA-1 any more where a host proves who it is: key exchanges and RSA signatures by it are added here, on
classes of its own. DSA, RC4, Blowfish and SSH 1 are gone for good.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha1
from socket import socket
from threading import Event
from types import MappingProxyType
from typing import ClassVar

import paramiko
from cryptography.hazmat.primitives import hashes
from paramiko.kex_gex import KexGexSHA256
from paramiko.kex_group14 import KexGroup14SHA256

RSA_BY_SHA1 = "ssh-rsa"
_LISTS = {"key exchange": 0, "host key": 1, "cipher": 2, "MAC": 4}
"""Where the lists of a server's KEXINIT stand; those of its other direction come right after, of ciphers and MACs."""
_BROKEN = ("-cbc", "hmac-sha1", "hmac-md5")


class GroupExchangeSha1(KexGexSHA256):
    """diffie-hellman-group-exchange-sha1 (RFC 4419): all that OpenSSH had before 4.4 with a group of its own."""

    name = "diffie-hellman-group-exchange-sha1"
    hash_algo = sha1


class Group14Sha1(KexGroup14SHA256):
    """diffie-hellman-group14-sha1 (RFC 4253, section 8.2): a group of 2048 bits."""

    name = "diffie-hellman-group14-sha1"
    hash_algo = sha1


class Group1Sha1(Group14Sha1):
    """diffie-hellman-group1-sha1 (RFC 4253, section 8.1): the group of 1024 bits in RFC 2409, section 6.2."""

    name = "diffie-hellman-group1-sha1"
    P = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
        16,
    )


OLD_KEX: Mapping[str, type] = {kex.name: kex for kex in (GroupExchangeSha1, Group14Sha1, Group1Sha1)}
"""In the order in which they are preferred."""


class RsaKeyBySha1(paramiko.RSAKey):
    """An RSA key whose signatures may be by SHA-1 (RFC 4253, section 6.6), for servers before OpenSSH 7.2."""

    HASHES: ClassVar = {**paramiko.RSAKey.HASHES, RSA_BY_SHA1: hashes.SHA1}  # type: ignore[misc]  # for this class alone

    @classmethod
    def of(cls, key: paramiko.PKey) -> paramiko.PKey:
        """The same key; one that is none of RSA, or is the agent's, as it is."""
        if type(key) is not paramiko.RSAKey:
            return key
        fresh = cls(key=key.key)
        fresh.public_blob = key.public_blob
        return fresh


class ModernSsh(paramiko.Transport):
    """SSH by paramiko's own algorithms; `offers` are the server's by kind, once it has sent them."""

    offers: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    _kex = ""

    def _parse_kex_init(self, m: paramiko.Message) -> None:
        self.offers = _offers(m.asbytes())
        super()._parse_kex_init(m)  # type: ignore[misc]  # private: paramiko tells nobody of what was offered
        self._kex = getattr(self.kex_engine, "name", "")  # paramiko forgets it once keys are exchanged

    @property
    def takes(self) -> Mapping[str, Sequence[str]]:
        """What we take, by kind, the best first."""
        lists = (self.preferred_kex, self.preferred_keys, self.preferred_ciphers, self.preferred_macs)
        return dict(zip(_LISTS, lists, strict=True))

    @property
    def tells_of_sha2(self) -> bool:
        """Whether the server says, or shows, that it takes RSA signatures by SHA-2 (RFC 8332), as OpenSSH since 7.2."""
        shows = any(name.startswith("rsa-sha2-") for name in self.offers.get("host key", ()))
        return shows or "server-sig-algs" in getattr(self, "server_extensions", ())

    @property
    def old_in_use(self) -> tuple[str, ...]:
        """The old algorithms that the connection stands on, each with its kind."""
        old = [f"key exchange {self._kex}"] if self._kex in OLD_KEX else []
        old += [f"host key {RSA_BY_SHA1} (SHA-1)"] if self.host_key_type == RSA_BY_SHA1 else []
        for kind in ("cipher", "MAC"):
            names = (getattr(self, f"{side}_{kind.lower()}", "") for side in ("local", "remote"))
            old += [f"{kind} {name}" for name in dict.fromkeys(names) if any(part in name for part in _BROKEN)]
        return tuple(old)


class OldSsh(ModernSsh):
    """The same, and SHA-1 after all that is better."""

    # paramiko chooses by these lists of its class, which are private.
    _kex_info: ClassVar = {**paramiko.Transport._kex_info, **OLD_KEX}  # type: ignore[attr-defined]
    _key_info: ClassVar = {**paramiko.Transport._key_info, RSA_BY_SHA1: RsaKeyBySha1}  # type: ignore[attr-defined]
    _preferred_kex: Sequence[str] = (*paramiko.Transport._preferred_kex, *OLD_KEX)  # type: ignore[attr-defined]
    _preferred_keys: Sequence[str] = (*paramiko.Transport._preferred_keys, RSA_BY_SHA1)  # type: ignore[attr-defined]
    _preferred_pubkeys = (*paramiko.Transport._preferred_pubkeys, RSA_BY_SHA1)  # type: ignore[attr-defined]

    def prefer(self, known: Collection[str]) -> None:
        """Ask for a key that known_hosts has before a better one that nobody vouches for, as ssh(1) does."""
        self._preferred_keys = tuple(sorted(self._preferred_keys, key=lambda name: _key_type(name) not in known))

    @property
    def preferred_pubkeys(self) -> Sequence[str]:
        """By what we sign: with an RSA key by SHA-1 alone, where the server does not tell of SHA-2."""
        ours = super().preferred_pubkeys
        if self.tells_of_sha2 or self.server_mode:
            return ours
        return tuple(name for name in ours if not name.startswith("rsa-sha2-"))

    def auth_publickey(self, username: str, key: paramiko.PKey, event: Event | None = None) -> list[str]:
        """As paramiko's; an RSA key may sign by SHA-1."""
        return super().auth_publickey(username, RsaKeyBySha1.of(key), event)


def transport_for(*, old_ssh: bool, known: Collection[str]) -> Callable[..., ModernSsh]:
    """What makes a connection of a stream, for `paramiko.SSHClient.connect`; `known` are the types of known keys."""

    def make(stream: socket, disabled_algorithms: Mapping[str, Iterable[str]] | None) -> ModernSsh:
        if not old_ssh:
            return ModernSsh(stream, disabled_algorithms=disabled_algorithms)
        old = OldSsh(stream, disabled_algorithms=disabled_algorithms)
        old.prefer(known)
        return old

    return make


def without_common(transport: ModernSsh) -> dict[str, tuple[str, ...]]:
    """What the server offers of each kind of which we take none."""
    takes = transport.takes
    return {kind: names for kind, names in transport.offers.items() if not set(names) & set(takes[kind])}


def old_ssh_would_do(lacking: Mapping[str, Collection[str]]) -> bool:
    """Whether of each kind that is lacking (`without_common`) there is one among the old algorithms."""
    old: dict[str, Collection[str]] = {"key exchange": OLD_KEX, "host key": (RSA_BY_SHA1,)}
    return bool(lacking) and all(set(names) & set(old.get(kind, ())) for kind, names in lacking.items())


def _offers(kexinit: bytes) -> dict[str, tuple[str, ...]]:
    message = paramiko.Message(kexinit)
    message.get_bytes(16)  # the cookie
    lists = [message.get_list() for _ in range(6)]
    # Of each direction there must be one: what is offered for both is what counts.
    both = {
        kind: lists[at] if at < 2 else [name for name in lists[at] if name in lists[at + 1]]
        for kind, at in _LISTS.items()
    }
    markers = ("ext-info-", "kex-strict-")
    # An empty list is read as one empty name.
    named = {kind: filter(None, names) for kind, names in both.items()}
    return {kind: tuple(name for name in names if not name.startswith(markers)) for kind, names in named.items()}


def _key_type(algorithm: str) -> str:
    """The type of key, as known_hosts calls it, that a signature algorithm is of."""
    return RSA_BY_SHA1 if algorithm.startswith("rsa-sha2-") else algorithm
