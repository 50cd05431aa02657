"""Grading a lab, and the pages of the last run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xenlab.cli.grammar import Verbs, add_lab, add_network, add_profile, add_reports, add_verb
from xenlab.errors import CannotObserve, UsageError
from xenlab.testbed.plan import EMBEDDED

CHECKED = Path("reports", "check")


def add_verbs(verbs: Verbs) -> None:
    """Add `verify`, `check`, `report` and `regrade`."""
    verify = add_verb(
        verbs, "verify", _verify, "grade every step of the lab and write reports/", "--step live-migration"
    )
    add_lab(verify)
    add_profile(verify)
    add_network(verify)
    add_grading(verify)
    verify.add_argument("--step", action="append", default=[], metavar="ID", help="this step and what it needs")
    verify.add_argument(
        "--alone", action="store_true", help="only the steps of --step, what they need taken as given; without a score"
    )
    add_reports(verify, "where the reports go")
    verify.add_argument(
        "--again",
        action="store_true",
        help="take over from the last run what passed and still holds; grade the rest",
    )
    planning = verify.add_argument_group("what is done to a lab of your own")
    choice = planning.add_mutually_exclusive_group()
    choice.add_argument("--plan", action="store_true", help="tell each act, its undo and which guests stop; do nothing")
    choice.add_argument(
        "--as-planned", type=Path, metavar="PLAN", help="do what that plan says, unless the lab changed"
    )
    choice.add_argument("--yes", action="store_true", help="stop and move the guests of a lab file without asking")
    planning.add_argument("-o", dest="plan_file", type=Path, metavar="PLAN", help="write the --plan there, as JSON")

    check = add_verb(
        verbs, "check", _check, "judge what can be seen in seconds without changing anything", "--lab lab.toml"
    )
    add_lab(check)
    add_grading(check)
    check.add_argument("--reports", type=Path, metavar="DIR", help="where the reports go (default: reports/check)")

    report = add_verb(verbs, "report", _report, "make the pages of the last run anew, without the lab", "--allure")
    report.add_argument("--allure", action="store_true", help="make allure.html, too (needs Node.js and npm)")
    add_reports(report, "the run's reports")

    regrade = add_verb(
        verbs, "regrade", _regrade, "judge the evidence of a run again, without the lab", "reports/evidence.zip"
    )
    regrade.add_argument("bundle", type=Path, metavar="BUNDLE", help="evidence.zip of a run, or its reports folder")
    regrade.add_argument("--rubric", metavar="PATH", help="another rubric.toml than the run's own")
    regrade.add_argument("--reports", type=Path, metavar="DIR", help="where the reports go (default: reports/regraded)")


def add_grading(verb: argparse.ArgumentParser) -> None:
    """--rubric, --guest, and what is shown."""
    verb.add_argument(
        "--rubric", metavar="PATH", help="a rubric.toml: points, thresholds, late work, waivers, own checks"
    )
    shown = verb.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_const", dest="output", const="quiet", help="say only how it ended")
    shown.add_argument(
        "--json", action="store_const", dest="output", const="json", help="grade.json on stdout, all else on stderr"
    )
    verb.add_argument("--guest", action="append", default=[], metavar="NAME", help="only this guest (repeatable)")


def _verify(arguments: argparse.Namespace) -> int:
    options = [f"--profile={arguments.profile}"] if arguments.profile else []
    options += [f"--network={arguments.network}"] if arguments.network else []
    options += [f"--step={step}" for step in arguments.step]
    options += ["--alone"] if arguments.alone else []
    options += ["--again"] if arguments.again else []
    if arguments.plan_file and not arguments.plan:
        raise UsageError("-o is where a --plan is written", hint="./lab verify --plan -o plan.json")
    if arguments.plan:
        options += ["--plan", *([f"--plan-file={arguments.plan_file.absolute()}"] if arguments.plan_file else [])]
    elif arguments.as_planned:
        options += _planned(arguments)
    elif arguments.lab != EMBEDDED and not arguments.yes:
        return _ask_and_grade(arguments, options)
    _refuse_practice(arguments)
    return grade(arguments, options)


def _refuse_practice(arguments: argparse.Namespace) -> None:
    from xenlab.opening import refuse_practice

    try:
        refuse_practice(arguments.lab, arguments.working_copy)
    except UsageError:
        forget(arguments.reports, arguments.working_copy)
        raise


def _planned(arguments: argparse.Namespace) -> list[str]:
    """What a plan was made of is not chosen again."""
    from xenlab.grading.planning import load_plan

    plan = load_plan(arguments.as_planned)
    if (
        arguments.lab not in (EMBEDDED, plan.lab_name)
        or arguments.guest
        or arguments.step
        or arguments.alone
        or arguments.again
    ):
        raise UsageError("--as-planned has its own --lab, --guest, --step, --alone and --again", hint="leave them out")
    arguments.lab, arguments.guest = plan.lab_name, list(plan.guests)
    steps = [f"--step={step}" for step in plan.steps]
    how = [*(["--alone"] if plan.alone else []), *(["--again"] if plan.again else [])]
    return [f"--as-planned={arguments.as_planned.absolute()}", *steps, *how]


def _ask_and_grade(arguments: argparse.Namespace, options: Sequence[str]) -> int:
    """Tell which guests of somebody's lab are stopped, and grade it as told once that is granted.

    What could not be foreseen is told, too; then the run is not bound to what was.

    :raises UsageError: it is not granted, or nobody is there to grant it.
    """
    from tempfile import TemporaryDirectory

    from xenlab.grading.planning import load_plan
    from xenlab.report.act_plan import summary, unforeseen

    with TemporaryDirectory(prefix="xenlab-plan-") as folder:
        path = Path(folder, "plan.json")
        _given(arguments)  # a wrong call is refused in one line
        print(f"looking at {arguments.lab}, to tell what is done to it", file=sys.stderr)
        code = grade(arguments, [*options, "--plan", f"--plan-file={path}"], silent=True)
        if not path.exists():
            return code or CannotObserve.exit_code
        plan = load_plan(path)
        bound = [f"--as-planned={path}"]
        if touched := [stops.guest for stops in plan.stops if stops.is_touched]:
            print(*summary(plan), sep="\n", file=sys.stderr)
            if plan.unforeseen:
                print(*unforeseen(plan), sep="\n", file=sys.stderr)
                bound = []
            if not sys.stdin.isatty():
                forget(arguments.reports, arguments.working_copy)
                asked = f"{arguments.lab}: may {', '.join(touched)} be stopped and moved? Nobody is here to be asked"
                raise UsageError(asked, hint="--yes grants it; --plan tells each act")
            if not _is_granted():
                raise UsageError("not granted, so nothing was done", hint="--plan tells each act")
        return grade(arguments, [*options, *bound])


def _is_granted() -> bool:
    from rich.console import Console
    from rich.prompt import Confirm

    try:
        return Confirm.ask("Go on?", default=False, console=Console(stderr=True))
    except EOFError:
        return False


def _check(arguments: argparse.Namespace) -> int:
    arguments.reports = arguments.reports or arguments.working_copy / CHECKED
    code = grade(arguments, ["--read-only"])
    _say_what_is_next(arguments)
    return code


def _say_what_is_next(arguments: argparse.Namespace) -> None:
    """Where the lab is for practice, have the check's last line be the next task."""
    from contextlib import suppress

    from xenlab.opening import is_for_practice
    from xenlab.report.grade_file import read_grade
    from xenlab.scenarios.sheet import what_is_next

    if is_for_practice(arguments.lab, arguments.working_copy):
        with suppress(UsageError):  # it has come to no grade, and has said why
            line = what_is_next(read_grade(arguments.reports))
            print(line, file=sys.stderr if arguments.output == "json" else sys.stdout)


def grade(arguments: argparse.Namespace, options: Sequence[str], *, silent: bool = False) -> int:
    """Have pytest grade the lab as the call says; returns the exit status."""
    from xenlab.cli.pytest_child import run_pytest

    call = ["tests", *_given(arguments), *options]
    return run_pytest(call, arguments.working_copy, silent=silent, secrets=_passwords(arguments))


def _passwords(arguments: argparse.Namespace) -> dict[str, str]:
    """The passwords that sudo wants on somebody's hosts; asked for once, however often the lab is looked at."""
    if arguments.lab == EMBEDDED:
        return {}
    if "passwords" not in arguments:
        from xenlab.cli.asking import passwords_for
        from xenlab.labfile import load

        try:
            arguments.passwords = passwords_for(load(Path(arguments.lab)))
        except UsageError:
            forget(arguments.reports, arguments.working_copy)
            raise
    passwords: dict[str, str] = arguments.passwords
    return passwords


def _given(arguments: argparse.Namespace) -> list[str]:
    """What every run is given; a wrong call leaves nothing of an earlier one."""
    from xenlab.opening import machine_names

    try:
        names = machine_names(arguments.lab).guests
        for guest in arguments.guest:
            if guest not in names:
                raise UsageError(f"--guest {guest}: this lab has {', '.join(names)}")
    except UsageError:
        forget(arguments.reports, arguments.working_copy)
        raise
    given = [f"--lab={arguments.lab}"]
    given += [f"--reports={arguments.reports.absolute()}"] if arguments.reports else []
    given += [f"--grade-output={arguments.output}"] if arguments.output else []
    given += [f"--guest={guest}" for guest in arguments.guest]
    given += [f"--rubric={Path(arguments.rubric).absolute()}"] if arguments.rubric else []
    return given


def _regrade(arguments: argparse.Namespace) -> int:
    from xenlab.cli.pytest_child import run_pytest
    from xenlab.evidence import bundle
    from xenlab.grading import rubric
    from xenlab.report.compare import differences
    from xenlab.report.grade_file import read_grade

    reports: Path = arguments.reports or arguments.working_copy / "reports" / "regraded"
    with bundle.opened(arguments.bundle) as folder:
        facts, then = bundle.facts_of(folder), bundle.grade_of(folder)
        options = [f"--lab={folder / bundle.LAB}", f"--played={folder}", f"--reports={reports.absolute()}"]
        options += ["--grade-output=quiet", *(f"--guest={guest}" for guest in facts.guests)]
        of_then = folder / bundle.RUBRIC if facts.rubric else None
        of_now = Path(arguments.rubric).absolute() if arguments.rubric else of_then
        by_then, by_now = (rubric.load(path) if path else rubric.shipped() for path in (of_then, of_now))
        steps = by_now.to_judge_again(facts.steps, by_then, whole=facts.whole and not facts.read_only)
        options += [*(f"--step={step}" for step in steps), *(["--alone"] if facts.alone else [])]
        options += ["--read-only"] if facts.read_only else []
        options += [f"--rubric={of_now}"] if of_now else []
        code = run_pytest(["tests", *options], arguments.working_copy)
        if code not in (0, 1, 3):
            return code
        now = read_grade(reports)
    if facts.suite != bundle.suite_digest(arguments.working_copy):
        print(f"graded then by xenlab {facts.version}, whose steps or judgements were others than these")
    lines = list(differences(then, now))
    print(*lines or ["every check as it was then"], sep="\n")
    return code


def forget_results_of(argv: Sequence[str], working_copy: Path) -> None:
    """Leave nothing of an earlier run where the results of a call that makes no sense would be looked for."""
    usual = {"verify": None, "check": working_copy / CHECKED}
    if argv[:1] and argv[0] in usual:
        forget(_reports_in(argv) or usual[argv[0]], working_copy)


def forget(reports: Path | None, working_copy: Path) -> None:
    """Leave nothing of an earlier run where a wrong call's results would be looked for."""
    from xenlab.report.folder import forget_results

    forget_results(reports or working_copy / "reports", own=reports is None)


def _reports_in(argv: Sequence[str]) -> Path | None:
    """The --reports of a call that makes no sense otherwise."""
    lenient = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_reports(lenient, "")
    try:
        found: Path | None = lenient.parse_known_args(argv)[0].reports
    except argparse.ArgumentError:
        return None
    return found


def _report(arguments: argparse.Namespace) -> int:
    from xenlab.grading.writing import write_page_again
    from xenlab.report.allure_cli import write_allure_page
    from xenlab.report.folder import ReportsFolder
    from xenlab.report.grade_file import read_grade

    reports: Path = arguments.reports or arguments.working_copy / "reports"
    folder = ReportsFolder(reports)
    grade = read_grade(reports)
    page = write_page_again(folder, grade)
    if folder.problem:
        raise CannotObserve(folder.problem)
    print(page)
    if arguments.allure:
        try:
            print(write_allure_page(reports, grade, arguments.working_copy / "allurerc.yaml"))
        except OSError as problem:
            raise CannotObserve(f"not written: {problem.filename or reports}: {problem.strerror}") from problem
    return 0
