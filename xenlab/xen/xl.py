"""xl's command lines, as argument vectors. Nothing here runs anything.

Source: xl(1). A domain is always named, never numbered: xl takes a name made of
digits for a domain id, which would reach another guest.
"""

import shlex

from xenlab.errors import UsageError

Argv = tuple[str, ...]

DOM0 = "Domain-0"
"""The name of the control domain in `xl list`."""

INCOMING = "--incoming"
"""What a domain's name ends in on the target until it is started there."""

MIGRATED_AWAY = "--migratedaway"
"""What a domain's name ends in on the sender once the target may start it."""


def info() -> Argv:
    """`xl info`: read it with `parsers.parse_info`."""
    return ("xl", "info")


def list_domains() -> Argv:
    """`xl list`: read it with `parsers.parse_list`."""
    return ("xl", "list")


def list_long(name: str) -> Argv:
    """`xl list -l NAME`, JSON: read it with `parsers.parse_list_long`."""
    return ("xl", "list", "-l", _domain(name))


def create(config: str, *, dryrun: bool = False) -> Argv:
    """`xl create [--dryrun] CONFIG`: a dry run only parses the file and prints it as JSON.

    :raises UsageError: when the path could be taken for an option or an assignment.
    """
    if not config or config.startswith("-") or "=" in config:
        raise UsageError(
            f"xl would not take {config!r} for a config file", hint="give a path without '=' or leading '-'"
        )
    return ("xl", "create", *(["--dryrun"] if dryrun else []), config)


def shutdown(name: str) -> Argv:
    """`xl shutdown -w NAME`: asks the guest, and returns when the domain is gone."""
    return ("xl", "shutdown", "-w", _domain(name))


def pause(name: str) -> Argv:
    """`xl pause NAME`."""
    return ("xl", "pause", _domain(name))


def unpause(name: str) -> Argv:
    """`xl unpause NAME`."""
    return ("xl", "unpause", _domain(name))


def migrate(name: str, target: str, ssh: tuple[str, ...] | None = None) -> Argv:
    """`xl -vvv migrate [-s SSH] NAME TARGET`: moves the running domain to the host `target`.

    Only libxl's debugging lines tell when the guest was suspended and when a hotplug script ran, and three steps below
    xl's default are the lowest level that has them (xl.c: -v; xentoollog.h: XTL_PROGRESS to XTL_DEBUG). xl passes the
    level on to the target's end (xl_migrate.c). `messages.without_debugging` leaves what xl says without it.

    `ssh` is the ssh command with its options, as words. xl pastes it and `target` into a line for sh, so
    the words are quoted here and `target` must be a plain host.

    :raises UsageError: when `target` holds anything but a user, a host name or an address.
    """
    if not target or target.startswith("-") or shlex.quote(target) != target:
        raise UsageError(f"{target!r} is not a host that xl could migrate to")
    return ("xl", "-vvv", "migrate", *(("-s", shlex.join(ssh)) if ssh else ()), _domain(name), target)


def console(name: str) -> Argv:
    """`xl console NAME`: needs a terminal, which `RemoteHost.read_screen` gives it; it ends when the domain leaves."""
    return ("xl", "console", _domain(name))


def _domain(name: str) -> str:
    if not name or name.startswith("-") or name.isdigit() or any(c.isspace() for c in name):
        raise UsageError(
            f"{name!r} cannot name a domain on xl's command line",
            hint="a name has no spaces, does not start with '-' and is not a number",
        )
    return name
