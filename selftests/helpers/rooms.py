"""The rooms of the house, from the top down, and those of its files that are pure."""

from paths import ROOT

DOWNWARD = (
    *("tests", "fixtures", "__main__", "cli", "opening", "classroom", "proving", "practice", "scenarios"),
    *("grading", "report", "discovery", "transcripts", "fleet"),
    *("evidence", "testbed", "lab", "causes", "probes", "xen", "remote", "labfile", "labfile_limits"),
    *("fields", "tomlfile", "jsontext", "outcomes", "labfile_change", "errors", "xenlab"),
)
"""Who may import whom: each room those after it; the last is the package itself, with its version."""

PURE = (
    *("xenlab/outcomes.py", "xenlab/errors.py", "xenlab/probes/continuity.py", "xenlab/probes/inside.py"),
    *("xenlab/probes/heartbeat.py", "xenlab/probes/diagnosis.py", "xenlab/probes/ping_output.py"),
    *("xenlab/probes/host_ping.py", "xenlab/probes/neighbours.py", "xenlab/probes/trace.py"),
    "xenlab/probes/anatomy.py",
    *("xenlab/jsontext.py", "xenlab/remote/answers.py"),
    *("xenlab/remote/frames.py", "xenlab/remote/facts.py", "xenlab/remote/commands.py", "xenlab/remote/prompts.py"),
    *("xenlab/remote/shell.py", "xenlab/remote/sections.py", "xenlab/remote/filesystems.py"),
    *("xenlab/remote/questions.py", "xenlab/remote/lease.py", "xenlab/grading/scoring.py"),
    *("xenlab/lab/guest_looks.py", "xenlab/lab/moved.py", "xenlab/lab/act_plan.py", "xenlab/report/act_plan.py"),
    *("xenlab/lab/looks.py", "xenlab/lab/places.py", "xenlab/lab/found.py", "xenlab/lab/migration.py"),
    *("xenlab/lab/own_check.py", "xenlab/remote/changing.py"),
    *("xenlab/lab/observed.py", "xenlab/lab/watch_analysis.py", "xenlab/lab/watched_move.py"),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("xenlab/lab/judging/*.py"))),
    *("xenlab/report/timeline.py", "xenlab/report/whereabouts.py", "xenlab/report/graph.py", "xenlab/report/svg.py"),
    *("xenlab/report/compare.py", "xenlab/report/views.py", "xenlab/report/reading.py", "xenlab/report/allure.py"),
    *(f"xenlab/discovery/{name}.py" for name in ("given", "seen", "proposal", "hosts", "share", "guests", "choosing")),
    *(f"xenlab/discovery/{name}.py" for name in ("access", "addresses", "guest_tables", "proposing")),
    "xenlab/remote/network.py",
    *("xenlab/classroom/member.py", "xenlab/classroom/row.py", "xenlab/classroom/gradebook.py"),
    *("xenlab/proving/row.py", "xenlab/proving/ends.py", "xenlab/proving/matrix.py", "xenlab/proving/pages.py"),
    "xenlab/scenarios/sheet.py",
    *("xenlab/scenarios/scenario.py", "xenlab/scenarios/shell.py", "xenlab/scenarios/catalogue.py"),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("xenlab/scenarios/*/*.py"))),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("xenlab/transcripts/**/*.py"))),
    *("xenlab/testbed/plan.py", "xenlab/testbed/profiles.py", "xenlab/testbed/trees.py", "xenlab/testbed/kernels.py"),
    "xenlab/testbed/emulation.py",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("xenlab/grading/exporters/*.py"))),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("xenlab/xen/*.py"))),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("xenlab/causes/**/*.py")) if path.stem != "__main__"),
)
LEFT_TO_CALLERS = frozenset({"xenlab/testbed/overlay.py", "xenlab/labfile.py", "xenlab/fields.py"})
"""Data that the pure rooms use; that an overlay can be written, and a lab file be read, is left to their callers."""
