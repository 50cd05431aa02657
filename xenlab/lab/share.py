"""The NFS share: who exports it, who mounts it, and that both hosts see the same files."""

import secrets
from pathlib import PurePosixPath

from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.labfile import ShareSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands, facts
from xenlab.remote.facts import Export, Mount

NONCE_PREFIX = ".xenlab-nonce-"


class NfsShare:
    """One export of one host, seen at the same mount point on both."""

    def __init__(self, spec: ShareSpec, hosts: HostPair) -> None:
        self.spec = spec
        self.hosts = hosts
        self.server = hosts.named(spec.server)
        self.client = hosts.peer_of(self.server)
        self.mount_point = spec.mount_point

    def exports_of(self, host: Dom0) -> tuple[Export, ...]:
        """What the host exports of this share's folder; none when it runs no NFS server."""
        result = host.remote.run(*commands.exports())
        if result.exit_code == commands.NOT_FOUND:
            return ()
        result.check(hint="cannot see what it exports: is the NFS server running there?")
        return tuple(export for export in facts.exports(result.stdout) if export.path == self.spec.export)

    def holds(self, place: str, host: Dom0) -> bool:
        """Whether a path, links followed, lies on the share; the server may lead it into the export itself."""
        roots = [self.mount_point, *([self.spec.export] if host is self.server else [])]
        return any(PurePosixPath(place).is_relative_to(root) for root in roots)

    def has(self, path: str) -> bool:
        """Whether a path is one below the mount point, and some host has a file there."""
        below = PurePosixPath(path).is_relative_to(self.mount_point)
        return below and any(host.remote.run(*commands.is_file(path)).ok for host in self.hosts)

    def mount_on(self, host: Dom0) -> Mount:
        """The mount that the host has at the mount point (its root file system when nothing is mounted)."""
        return facts.mount(host.remote.run(*commands.mount_of(self.mount_point)).check().stdout)

    def is_exported_by_one(self) -> Finding:
        """The server exports it, the other host does not."""
        who = [host.name for host in self.hosts if self.exports_of(host)]
        return Finding(
            "one-server",
            who == [self.server.name],
            expected=f"{self.spec.export} exported by {self.server.name} alone",
            actual=f"exported by {' and '.join(who) or 'no host'}",
            hint=f"on {self.server.name}: a line for {self.spec.export} in /etc/exports, then exportfs -ra",
        )

    def lets_root_write(self) -> Finding:
        """Root of the client stays root on the share (exports(5))."""
        exports = self.exports_of(self.server)
        shown = "; ".join(f"{export.client}({','.join(export.options)})" for export in exports)
        return Finding(
            "no-root-squash",
            any(export.lets_root_write for export in exports),
            expected="rw,no_root_squash",
            actual=shown or "no export",
            hint="add rw,no_root_squash to the export, then exportfs -ra: xl runs as root on both hosts",
            host=self.server.name,
        )

    def is_mounted_by_nfs(self) -> Finding:
        """The client's mount point is this very export, told by file system type and source."""
        mount = self.mount_on(self.client)
        source = mount.server_and_export
        same = source is not None and (
            source[0] in (self.server.address, self.server.name)
            and PurePosixPath(source[1]) == PurePosixPath(self.spec.export)
        )
        at = PurePosixPath(mount.target) == PurePosixPath(self.mount_point)
        return Finding(
            "mounted-by-nfs",
            mount.is_nfs and same and at,
            expected=f"{self.server.address}:{self.spec.export} on {self.mount_point}, type nfs",
            actual=f"{mount.source} on {mount.target}, type {mount.fstype}",
            hint=f"on {self.client.name}: mount -t nfs {self.server.address}:{self.spec.export} {self.mount_point}",
            host=self.client.name,
        )

    def carries_a_nonce(self, writer: Dom0) -> tuple[Finding, ...]:
        """What one host writes at the mount point, the other reads there and the server in its export."""
        nonce = secrets.token_hex(16)
        name = f"{NONCE_PREFIX}{nonce[:8]}"
        path, exported = f"{self.mount_point}/{name}", f"{self.spec.export}/{name}"
        written = writer.remote.run(*commands.write_nonce(path, nonce))
        places = [(self.hosts.peer_of(writer), path), (self.server, exported)]
        try:
            return tuple(
                self._read_back(writer, reader, place, nonce, written.stderr.strip()) for reader, place in places
            )
        finally:
            writer.remote.run(*commands.remove(path))

    @staticmethod
    def _read_back(writer: Dom0, reader: Dom0, path: str, nonce: str, complaint: str) -> Finding:
        read = reader.remote.run(*commands.read_nonce(path))
        seen = read.stdout.strip() if read.ok else (complaint or read.stderr.strip())
        return Finding(
            "nonce-shared",
            read.ok and seen == nonce,
            expected=f"{nonce[:8]}… written by {writer.name} is read at {path}",
            actual="it is" if seen == nonce else f"{seen[:200] or 'nothing'}",
            hint="the two hosts do not see the same folder: compare findmnt on both",
            host=reader.name,
        )

    def shows_same(self, path: str, guest: str) -> Finding:
        """A file has the same size and the same first and last megabyte from both hosts."""
        seen = {host.name: host.remote.run(*commands.ends_digest(path)) for host in self.hosts}
        missing = [f"{name}: {result.stderr.strip()}" for name, result in seen.items() if not result.ok]
        digests = {name: facts.ends_digest(result.stdout) for name, result in seen.items() if result.ok}
        same = not missing and len(set(digests.values())) == 1
        shown = "; ".join(f"{name}: {digest.size} bytes" for name, digest in digests.items())
        return Finding(
            "same-file",
            same,
            expected=f"{path}: same size, same first and last megabyte from both hosts",
            actual="; ".join(missing) or (shown if same else f"{shown}, but not the same content"),
            hint="copy the file onto the share again, with the guest shut down",
            guest=guest,
        )
