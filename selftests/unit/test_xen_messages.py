"""What xl says when it migrates: its stages, the guest's fate, and which of the two ends spoke a line."""

import pytest
from paths import DATA

from xenlab.xen.messages import is_course, is_error, is_migration, parse_migration, turns_of

ALL_STAGES = (
    *("connected", "sending", "transferred", "acknowledged"),
    *("permitted", "started", "confirmed", "finished"),
)
READY = "migration target: Ready to receive domain."
LIVE = (DATA / "report_xl_migrate_live.txt").read_text("utf-8")


@pytest.mark.parametrize("name", ["report_xl_migrate_live.txt", "report_xl_migrate_back.txt"])
def test_both_migrations_of_the_report_succeeded(name: str) -> None:
    report = parse_migration((DATA / name).read_text("utf-8"))
    assert report.succeeded
    assert report.guest_fate == "moved"
    assert report.stages == ALL_STAGES
    assert report.errors == ()


def cut(before: str) -> str:
    assert before in LIVE
    return LIVE[: LIVE.index(before)]


@pytest.mark.parametrize(
    ("output", "fate", "last", "outcome"),
    [
        ("root@10.1.1.143: Permission denied (publickey,password).\n", "stayed", None, ""),
        (
            cut("migration target: Transfer") + "xc: error: Failed to enable logdirty: 95,22,0: Internal error\n"
            "migration sender: libxl_domain_suspend failed (rc=-3)\nMigration failed, resuming at sender.\n",
            "resumed-at-sender",
            "sending",
            "Migration failed, resuming at sender.",
        ),
        (
            cut("migration target: Transfer") + "Migration failed, failed to suspend at sender.\n",
            "stayed",
            "sending",
            "Migration failed, failed to suspend at sender.",
        ),
        (
            cut("migration target: Got") + "migration sender: Trying to resume at our end.\n"
            "migration sender: Resumed OK.\nMigration failed due to problems at target.\n",
            "resumed-at-sender",
            "permitted",
            "migration sender: Resumed OK.",
        ),
        (
            cut("migration target: Got") + "migration sender: Trying to resume at our end.\n"
            "Migration failed due to problems at target.\n",
            "undefined",
            "permitted",
            "Migration failed due to problems at target.",
        ),
        (
            cut("migration target: Got") + "** Migration failed during final handshake **\n"
            "Domain state is now undefined !\nPlease CHECK AT BOTH ENDS for running instances\n",
            "undefined",
            "permitted",
            "Domain state is now undefined",
        ),
        (cut("migration sender: Target reports"), "undefined", "started", ""),
        (cut("Saving"), "stayed", "connected", ""),
        ("", "stayed", None, ""),
    ],
)
def test_the_fate_of_the_guest(output: str, fate: str, last: str | None, outcome: str) -> None:
    report = parse_migration(output)
    assert not report.succeeded
    assert report.guest_fate == fate
    assert report.outcome == outcome
    assert (report.stages[-1] if report.stages else None) == last
    assert bool(report.errors) is ("fail" in output or "denied" in output)


# Who spoke


@pytest.mark.parametrize("name", ["report_xl_migrate_live.txt", "report_xl_migrate_back.txt"])
def test_in_a_move_that_succeeds_both_ends_speak(name: str) -> None:
    words = (DATA / name).read_text("utf-8")
    turns = turns_of(words)
    said = {line.strip(): turns.speaker(words.index(line), line) for line in words.splitlines()}
    assert {side for line, side in said.items() if line.startswith("migration target")} == {"target"}
    assert {side for line, side in said.items() if line.startswith(("migration sender", "Migration"))} == {"source"}
    assert said[next(line for line in said if line.endswith("password:"))] == "source"


ERROR = "libxl: error: x.c:1:f: Domain 7:failed"
CREATION_FAILED = "migration target: Domain creation failed (code -3)."
GREETING = "migration receiver stream"


@pytest.mark.parametrize(
    ("words", "side"),
    [
        (f"{ERROR}\n", "source"),
        (f"{ERROR}\nfile/stream truncated reading banner from {GREETING}\n", "target"),
        (f"{READY}\n{ERROR}\n{CREATION_FAILED}\n", "target"),
        # The sender has given up first; the target's words take their time through ssh.
        (f"{READY}\nmigration sender: libxl_domain_suspend failed (rc=-3)\n{ERROR}\n{CREATION_FAILED}\n", "target"),
        (f"{READY}\n{CREATION_FAILED}\n{ERROR}\n", "source"),
        (f"{READY}\nmigration sender: libxl_domain_suspend failed (rc=-3)\n{ERROR}\n", "source"),
        (f"{READY}\n{ERROR}\n", "target"),
        (f"{READY}\nmigration target: Transfer complete, requesting permission\n{ERROR}\n", "source"),
        (
            f"{READY}\nmigration target: Transfer complete\nmigration sender: Giving target permission to start.\n"
            f"{ERROR}\nmigration sender: Target reports startup failure\n",
            "target",
        ),
        (
            f"{READY}\nmigration target: Transfer complete\nmigration sender: Giving target permission to start.\n"
            f"migration sender: Target reports successful startup.\n{ERROR}\n",
            "source",
        ),
    ],
)
def test_a_line_that_either_end_could_write_is_told_by_its_place(words: str, side: str) -> None:
    assert turns_of(words).speaker(words.index(ERROR), ERROR) == side


@pytest.mark.parametrize(
    ("line", "side"),
    [
        ("client_loop: send disconnect: Broken pipe", "source"),
        ("xc: error: Save failed (32 = Broken pipe): Internal error", "source"),
        ("xc: error: save callback suspend() failed: 0: Internal error", "source"),
        ("libxl: error: libxl_stream_write.c:347:f: Domain 5:saving domain: x", "source"),
        ("xc: error: Bad mfn for L1[510]: Internal error", "source"),
        ("xc: error: Bad mfn for L1[510] - pte 1000: Internal error", "target"),
        ("xc: error: Restore failed (0 = Success): Internal error", "target"),
        ("libxl: error: libxl_stream_read.c:850:f: restoring domain: Success", "target"),
        ("Connection to 10.1.1.143 closed by remote host.", "source"),
    ],
)
def test_a_line_that_one_end_alone_can_write_is_that_end_s_wherever_it_stands(line: str, side: str) -> None:
    for before in ("", f"{READY}\n", f"{READY}\n{CREATION_FAILED}\n"):
        words = f"{before}{line}\nreading banner from {GREETING}\n"
        assert turns_of(words).speaker(len(before), line) == side


# What complains


@pytest.mark.parametrize(
    "line",
    ["xc: error: x", "x failed", "couldn't do it", "could not do it", "no such thing", "Host key verification was off"],
)
def test_complaints_are_seen(line: str) -> None:
    assert is_error(line)
    assert not is_course(line)


@pytest.mark.parametrize(
    "line",
    [
        "libxl: info: libxl_exec.c:118:f: migration transport process [914] exited with error status 1",
        "xc: info: Restoring domain, no error yet",
        "Parsing config from /mnt/error.cfg",
        "migration target: Ready to receive domain.",
        "all is well",
        "",
    ],
)
def test_the_course_of_things_is_no_complaint(line: str) -> None:
    assert not is_error(line)


def test_only_a_move_s_words_look_like_it() -> None:
    assert is_migration(LIVE)
    assert is_migration("truncated reading banner from migration receiver stream")
    assert not is_migration("Parsing config from g.cfg\n")


def test_suse_s_xl_that_gives_up_leaves_the_guest_where_it_was() -> None:
    report = parse_migration(
        cut("migration target: Transfer") + "Migration aborted as requested, domain is too busy.\n"
    )
    assert (report.guest_fate, report.succeeded) == ("stayed", False)
