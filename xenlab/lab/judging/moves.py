"""What a move must leave: the guest on its target alone, the same or a new boot, its disk as it was. Pure."""

from collections.abc import Collection

from xenlab.causes import disk_trouble
from xenlab.lab.looks import GuestLook, Unknown
from xenlab.lab.migration import Migration
from xenlab.lab.places import Places, by_hand
from xenlab.outcomes import Finding


def runs_only_on(places: Places, host: str) -> Finding:
    """The guest is on this host, alive, and on no other, not even in half."""
    row = places.row
    return Finding(
        "runs-only-on",
        None if places.in_doubt else places.host == host and row is not None and row.alive,
        expected=f"{places.guest} runs on {host} only",
        actual=places.words,
        hint=by_hand(places),
        host=host,
        guest=places.guest,
        evidence=places.ids,
    )


def answers_after(move: Migration) -> Finding:
    """The guest takes a login once xl says that it has moved: it kept its network and its life.

    The silence of one that could not be logged in on before either, from here, says nothing of the move.
    """
    unseen = move.after.boot_id
    lost = move.places.row is not None and not isinstance(move.before.boot_id, Unknown)
    silent = f"it does not, though it is {move.places.words}: {unseen.why}" if isinstance(unseen, Unknown) else ""
    return Finding(
        "answers-after-move",
        not silent or (False if lost else None),
        expected=f"{move.guest} answers on {move.target}",
        actual=silent or "it does",
        hint=by_hand(move.places)
        if move.places.row and move.places.row.paused
        else f"it lost its network on {move.target}: does the bridge of its vif lead to the others there, and what "
        f"does xl console {move.guest} show?",
        host=move.target,
        guest=move.guest,
        evidence=move.evidence,
    )


def kept_boot(look_before: GuestLook, look_after: GuestLook) -> Finding:
    """boot_id is the same before and after: the guest did not reboot."""
    before, after = look_before.boot_id, look_after.boot_id
    unknown = isinstance(before, Unknown) or isinstance(after, Unknown)
    return Finding(
        "same-boot",
        None if unknown else before == after,
        expected=f"boot_id {_shown(before)}",
        actual=f"boot_id {_shown(after)}",
        hint="the guest rebooted: this was not a live migration",
        guest=look_after.host,
        evidence=(*look_before.ids, *look_after.ids),
    )


def booted_anew(move: Migration) -> Finding:
    """boot_id changed: the guest really was shut down and started again."""
    before, after = move.before.boot_id, move.after.boot_id
    unknown = isinstance(before, Unknown) or isinstance(after, Unknown)
    return Finding(
        "new-boot",
        None if unknown else before != after,
        expected=f"a boot_id other than {_shown(before)}",
        actual=f"boot_id {_shown(after)}",
        hint="the guest never went down: shut it down on the old host before starting it on the new one",
        guest=move.guest,
        evidence=move.evidence,
    )


def still_has(look: GuestLook, nonce: str) -> Finding:
    """The nonce written before is read back from the disk itself, not from the guest's cache."""
    seen = look.nonce
    gone = isinstance(seen, Unknown) and "No such file" in seen.why
    return Finding(
        "nonce-intact",
        None if isinstance(seen, Unknown) and not gone else seen == nonce,
        expected=f"nonce {nonce}",
        actual=seen.why if isinstance(seen, Unknown) else seen[:200] or "nothing",
        hint="the guest runs from another disk than before, or its writes were lost",
        guest=look.host,
        evidence=look.ids,
    )


def has_clean_disk(look: GuestLook, vdevs: Collection[str] | None = None) -> Finding:
    """The kernel saw no error of the guest's own disks and file systems since the boot, nor a journal to recover."""
    log = look.kernel_log
    errors = () if isinstance(log, Unknown) else disk_trouble(log, vdevs)
    return Finding(
        "disk-clean",
        None if isinstance(log, Unknown) else not errors,
        expected="no disk or file system errors in the guest's kernel log",
        actual=log.why if isinstance(log, Unknown) else "; ".join(errors[:3]) or "none",
        hint="shut the guest down and check its file system from its host (e2fsck -n)",
        guest=look.host,
        evidence=look.ids,
    )


def pause_was_taken(move: Migration) -> Finding:
    """Xen sent the paused guest, as the report did."""
    return Finding(
        "paused-guest-unharmed",
        True,
        expected="moved while paused, or refused by Xen and left paused where it was, with nothing on the target",
        actual=f"moved to {move.target} while paused",
        guest=move.guest,
        evidence=move.evidence,
    )


def refused_unharmed(guest: str, source: str, words: str, places: Places) -> Finding:
    """Xen refused to send the paused guest: it must be paused where it was, and nothing of it on the target."""
    row = places.row
    unharmed = places.host == source and row is not None and row.paused
    return Finding(
        "paused-guest-unharmed",
        None if places.in_doubt else unharmed,
        expected="moved while paused, or refused by Xen and left paused where it was, with nothing on the target",
        actual=f"refused ({words}); it is {places.words}",
        hint=f"xl list on both hosts; where it is whole: xl unpause {guest}",
        guest=guest,
        evidence=places.ids,
    )


def _shown(fact: str | Unknown) -> str:
    return f"unknown: {fact.why}" if isinstance(fact, Unknown) else fact
