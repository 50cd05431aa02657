"""What the values of a lab file must be: names, addresses and paths, each refused with the reason."""

import re
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

BASE = "base"
"""The space that pydantic gives a validator for what is not in the data: where the lab file lies."""


def plain_path(path: str) -> str:
    """An absolute path without the slashes that say nothing, of which POSIX would keep two at its beginning."""
    return str(PurePosixPath("/", path.lstrip("/"))) if path.startswith("/") else path


def _unicast(value: str) -> str:
    if value.startswith("[") and value.endswith("]"):
        raise ValueError(f"{value!r}: an IPv6 address stands here without brackets, and a port in a key of its own")
    try:
        address = ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address (IPv4 or IPv6, such as 10.1.1.85)") from None
    if address.is_multicast or address.is_unspecified or address.is_loopback or value == "255.255.255.255":
        raise ValueError(f"{value!r} is not the address of one machine on a network (unicast)")
    if address.version == 6 and address.is_link_local and not address.scope_id:
        raise ValueError(f"{value!r} is link-local: it needs the device that leads there, as in {value}%eth0")
    return str(address)


def _target(value: str) -> str:
    if re.fullmatch(r"[0-9.]+|.*:.*|\[.*\]", value):
        return _unicast(value)
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value):
        raise ValueError(f"{value!r} is neither an IP address nor a host name")
    return value


def _name_or_address(value: str) -> str:
    try:
        address = ip_address(value)
    except ValueError:
        return _target(value)
    return str(address) if address.is_loopback else _unicast(value)


def _absolute(value: str) -> str:
    if not value.startswith("/") or ".." in PurePosixPath(value).parts or "\0" in value:
        raise ValueError(f"{value!r} is not an absolute path (from /, without ..)")
    return plain_path(value)


def _local_path(path: Path, info: ValidationInfo) -> Path:
    try:
        return Path((info.context or {}).get(BASE, "")) / path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no such user as that of {path}") from None


def _local_file(path: Path, info: ValidationInfo) -> Path:
    path = _local_path(path, info)
    try:
        there = path.is_file()
    except OSError as problem:
        raise ValueError(f"{path} cannot be looked at: {problem.strerror}") from None
    if not there:
        raise ValueError(f"there is no file {path}")
    return path


def _word(pattern: str, what: str) -> AfterValidator:
    def fits(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return AfterValidator(fits)


Name = Annotated[str, _word(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name (letters, digits and . _ -)")]
User = Annotated[str, _word(r"[A-Za-z_][A-Za-z0-9._-]*", "a user name")]
Variable = Annotated[str, _word(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")]
Device = Annotated[str, _word(r"[a-z][a-z0-9]*", "a device's name without /dev/, such as xvda1")]
Address = Annotated[str, AfterValidator(_unicast)]
Target = Annotated[str, AfterValidator(_target)]
NameOrAddress = Annotated[str, AfterValidator(_name_or_address)]
RemotePath = Annotated[str, AfterValidator(_absolute)]
LocalFile = Annotated[Path, AfterValidator(_local_file)]
LocalPath = Annotated[Path, AfterValidator(_local_path)]
Port = Annotated[int, Field(ge=1, le=65535)]
