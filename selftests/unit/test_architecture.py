"""The rules of the house: who imports whom, what stays pure, and where command lines may be built.

Each rule is a function from source text to complaints, tried on planted sources as well.
"""

import ast
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from paths import ROOT
from rooms import DOWNWARD, LEFT_TO_CALLERS, PURE

IO_MODULES = frozenset(
    {
        *("asyncio", "concurrent", "ctypes", "fcntl", "glob", "http", "icmplib", "io", "logging", "multiprocessing"),
        *("os", "paramiko", "pathlib", "platform", "platformdirs", "pty", "qemu", "requests", "rich", "select"),
        *("shutil", "signal", "socket", "ssl", "subprocess", "sys", "tarfile", "tempfile", "testinfra", "threading"),
        *("time", "urllib"),
    }
)
NO_IO_OF_THEM = frozenset({("pathlib", "PurePosixPath"), ("io", "StringIO"), ("io", "BytesIO")})
NOT_FOR_STEPS = frozenset(
    {
        *("os", "subprocess", "shlex", "pty", "paramiko", "testinfra", "xenlab.xen.xl", "xenlab.remote.commands"),
        *("xenlab.remote.connections", "xenlab.remote.connection", "xenlab.remote.host"),
    }
)
RUNNERS = frozenset({"run", "execute", "system", "popen", "Popen", "check_output", "xl"})
COMMAND = re.compile(
    r"(^|[;&|]\s*)(sudo |/\S*bin/)?(xl|ssh|scp|sh|bash|cat|ls|mount|umount|exportfs|findmnt|losetup|ping|ip|rm|cp|mv) "
)
# In these patterns every special character is escaped, so that this file does not match itself.
REGISTRIES = re.compile(r"pypi\.org|pythonhosted\.org|deb\.debian\.org|archive\.ubuntu\.com|npmjs\.(org|com)")
THIS_MACHINE = re.compile(r"(?<![\w.])/work/\w|(?<![\w.])/tmp/bash\w|" + re.escape(str(ROOT)) + r"(?![\w-])")


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """All of its tree, walked once for all rules."""
    return tuple(ast.walk(parsed(source)))


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found, folders
    return found


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    first, *rest = module.split(".")
    if first == "xenlab":
        return rest[0] if rest else "xenlab"
    return "tests" if first == "conftest" else first


@cache
def imports(source: str) -> tuple[tuple[int, str, str], ...]:
    """Line, module and imported name ("" for `import module`) of every import, wherever it stands."""
    found: list[tuple[int, str, str]] = []
    for node in nodes_of(source):
        if isinstance(node, ast.Import):
            found += ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute in this project"
            found += ((node.lineno, node.module or "", alias.name) for alias in node.names)
    return tuple(found)


@cache
def project_modules(source: str) -> tuple[tuple[int, str], ...]:
    """Our own modules that a source imports; `from xenlab.xen import xl` is xenlab.xen.xl."""
    found: list[tuple[int, str]] = []
    for line, module, name in imports(source):
        if module.partition(".")[0] in ("xenlab", "fixtures", "tests", "conftest"):
            whole = f"{module}.{name}"
            is_module = name and any((ROOT / whole.replace(".", "/")).with_suffix(s).exists() for s in (".py", ""))
            found.append((line, whole if is_module else module))
    return tuple(found)


def upward_imports(module: str, source: str) -> list[str]:
    own = DOWNWARD.index(room(module))
    return [
        f"{module}:{line} imports {imported}, which is above it"
        for line, imported in project_modules(source)
        if DOWNWARD.index(room(imported)) < own
    ]


def io_reached_from(name: str) -> list[str]:
    """What it and all that it imports, however deep, do; but for what is left to callers."""
    complaints: list[str] = []
    seen: set[str] = set()
    todo = [name]
    while todo:
        file = todo.pop()
        if file in seen or file in LEFT_TO_CALLERS:
            continue
        seen.add(file)
        source = (ROOT / file).read_text("utf-8")
        complaints += (f"{complaint}, reached from {name}" for complaint in io_in(file, source))
        for _, module in project_modules(source):
            path = ROOT / module.replace(".", "/")
            inside = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            todo.append(str(inside.relative_to(ROOT)))
    return complaints


@cache
def io_in(module: str, source: str) -> list[str]:
    complaints = [
        f"{module}:{line} imports {imported}"
        for line, imported, name in imports(source)
        if imported.partition(".")[0] in IO_MODULES and (imported, name) not in NO_IO_OF_THEM
    ]
    calls = [node for node in nodes_of(source) if isinstance(node, ast.Call)]
    for call in calls:
        called = ast.unparse(call.func)
        if called in ("open", "print", "input", "breakpoint") or called.endswith(("datetime.now", "datetime.utcnow")):
            complaints.append(f"{module}:{call.lineno} calls {called}()")
    return complaints


def command_lines(module: str, source: str) -> list[str]:
    imported = {name for _, name in project_modules(source)} | {name for _, name, _ in imports(source)}
    complaints = [f"{module} imports {name}" for name in sorted(imported & NOT_FOR_STEPS)]
    docstrings = {
        id(node.body[0].value)
        for node in nodes_of(source)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in nodes_of(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNNERS:
            complaints.append(f"{module}:{node.lineno} calls .{node.func.attr}()")
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and COMMAND.search(node.value)
        ):
            complaints.append(f"{module}:{node.lineno} holds a command line: {node.value!r}")
    return complaints


def bad_handlers_and_sleeps(module: str, source: str) -> list[str]:
    complaints = []
    for node in nodes_of(source):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            reraises = bool(node.body) and isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            broad = {"Exception", "BaseException"} & set(re.findall(r"\w+", caught))
            # Cleaning up after whatever it was, and passing it on, hides nothing.
            if not caught or (broad and not (caught == "BaseException" and reraises)):
                complaints.append(f"{module}:{node.lineno} catches {caught or 'everything'}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "suppress":
            if {"Exception", "BaseException"} & {ast.unparse(argument) for argument in node.args}:
                complaints.append(f"{module}:{node.lineno} suppresses everything")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
            complaints.append(f"{module}:{node.lineno} sleeps")
    complaints += [f"{module}:{line} imports sleep" for line, name, what in imports(source) if (name, what) == SLEEP]
    return complaints


SLEEP = ("time", "sleep")


def json_by_itself(module: str, source: str) -> list[str]:
    """Text that is read by json.loads gives a RecursionError where it is nested deep, which nobody expects."""
    calls = (node for node in ast.walk(parsed(source)) if isinstance(node, ast.Call))
    readers = ("json.load", "json.loads", "tomllib.load", "tomllib.loads")
    return [
        f"{module}:{call.lineno} calls {ast.unparse(call.func)}()"
        for call in calls
        if ast.unparse(call.func) in readers
    ]


READ_BY = ("xenlab.jsontext", "xenlab.tomlfile")


def foreign_places(name: str, text: str) -> list[str]:
    return [
        f"{name}:{number} names {found[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for found in (*REGISTRIES.finditer(line), *THIS_MACHINE.finditer(line))
    ]


def classes_named_alike(sources_of: dict[str, str]) -> list[str]:
    """Public classes of one name in several modules: one word, one meaning."""
    found: dict[str, list[str]] = {}
    for module, source in sources_of.items():
        for node in nodes_of(source):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    return [f"{name}: {', '.join(modules)}" for name, modules in found.items() if len(modules) > 1]


def too_long(name: str, text: str, limit: int = 400) -> list[str]:
    lines = len(text.splitlines())
    return [f"{name} has {lines} lines, over {limit}"] if lines > limit else []


# The rules, on the project


def test_imports_go_downward_only() -> None:
    paths = [*sources("xenlab", "fixtures", "tests"), ROOT / "conftest.py"]
    assert [c for path in paths for c in upward_imports(module_of(path), path.read_text("utf-8"))] == []


def test_pure_modules_do_no_io_nor_import_what_does() -> None:
    assert [complaint for name in PURE for complaint in io_reached_from(name)] == []


def test_no_command_line_is_built_by_steps_and_fixtures() -> None:
    paths = sources("fixtures", "tests")
    assert [c for path in paths for c in command_lines(module_of(path), path.read_text("utf-8"))] == []


def test_no_module_is_too_long() -> None:
    paths = [*sources("xenlab", "fixtures", "tests", "selftests"), ROOT / "conftest.py"]
    assert [c for path in paths for c in too_long(module_of(path), path.read_text("utf-8"))] == []


def test_no_two_classes_have_one_name() -> None:
    assert classes_named_alike({module_of(path): path.read_text("utf-8") for path in sources("xenlab")}) == []


def test_nothing_broad_is_caught_and_nothing_sleeps() -> None:
    paths = [*sources("xenlab", "fixtures", "tests"), ROOT / "conftest.py"]
    assert [c for path in paths for c in bad_handlers_and_sleeps(module_of(path), path.read_text("utf-8"))] == []


def test_texts_of_others_are_read_in_one_place() -> None:
    modules = {module_of(path): path.read_text("utf-8") for path in sources("xenlab", "fixtures", "tests")}
    assert [c for name, text in modules.items() if name not in READ_BY for c in json_by_itself(name, text)] == []
    assert all(json_by_itself(name, modules[name]) for name in READ_BY)


def test_no_tracked_file_names_this_machine_or_a_registry() -> None:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    if not names:
        pytest.skip(f"git tracks nothing here: {listed.stderr.strip()}")
    texts = {name: (ROOT / name).read_bytes() for name in names}
    complaints = []
    for name, data in texts.items():
        if b"\0" not in data:
            complaints += foreign_places(name, data.decode("utf-8", errors="replace"))
    assert complaints == []


# The rules, on planted sources: each can fail


@pytest.mark.parametrize(
    ("module", "source", "complaints"),
    [
        ("xenlab.xen.xl", "from xenlab.remote import host", 0),
        ("xenlab.remote.host", "from xenlab.xen import xl", 1),
        ("xenlab.errors", "import xenlab.outcomes", 1),
        ("xenlab.lab.guest", "def f():\n    from xenlab.testbed.plan import CLIENT", 1),
        ("xenlab.grading.plugin", "from xenlab.cli.main import main", 1),
        ("xenlab.grading.plugin", "import fixtures.nouns", 1),
        ("fixtures.nouns", "import tests.test_1_hosts", 1),
        ("tests.test_1_hosts", "from fixtures.nouns import Moves", 0),
        ("xenlab.report.html", "from xenlab import __version__", 0),
        ("xenlab.lab.dom0", "from xenlab.lab import guest", 0),
    ],
)
def test_upward_imports_are_noticed(module: str, source: str, complaints: int) -> None:
    assert len(upward_imports(module, source)) == complaints


@pytest.mark.parametrize(
    "source",
    [
        *("import os", "import os.path", "from subprocess import run", "from pathlib import Path", "import paramiko"),
        *("from pathlib import PurePosixPath, Path", "def f():\n    import time", "x = open('y')", "print(1)"),
        "from datetime import datetime\nnow = datetime.now()",
    ],
)
def test_io_is_noticed(source: str) -> None:
    assert io_in("planted", source)


def test_pure_code_is_left_alone() -> None:
    source = "import re\nfrom pathlib import PurePosixPath\nfrom datetime import datetime\nreopen = re.compile('open(')"
    assert io_in("planted", source.replace("'open('", "'open'")) == []


@pytest.mark.parametrize(
    "source",
    [
        "host.remote.run('uname')",
        "guest.remote.execute(argv)",
        "import subprocess",
        "from xenlab.xen import xl",
        "from xenlab.remote.commands import exports",
        "words = 'xl list'",
        "words = f'ssh {host}'",
        "words = ['sh', 'true && rm -rf /']",
        "words = '/usr/sbin/xl info'",
    ],
)
def test_command_lines_are_noticed(source: str) -> None:
    assert command_lines("planted", source)


def test_docstrings_may_name_commands() -> None:
    source = (
        '"""`xl list` on both."""\ndef f():\n    """xl info on each.\n\n    xl list\n    """\n    return "the xl of it"'
    )
    assert command_lines("planted", source) == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept Exception:\n    raise",
        "try:\n    f()\nexcept (ValueError, Exception) as e:\n    pass",
        "try:\n    f()\nexcept:\n    raise",
        "try:\n    f()\nexcept BaseException:\n    pass",
        "with suppress(Exception):\n    f()",
        "import time\ntime.sleep(1)",
        "import time\npause = time.sleep",
        "from time import sleep",
    ],
)
def test_broad_handlers_and_sleeps_are_noticed(source: str) -> None:
    assert bad_handlers_and_sleeps("planted", source)


def test_cleaning_up_and_passing_on_is_no_broad_handler() -> None:
    source = "try:\n    f()\nexcept BaseException:\n    clean()\n    raise\nexcept ValueError:\n    pass"
    assert bad_handlers_and_sleeps("planted", source) == []


def test_classes_of_one_name_are_noticed() -> None:
    planted = {"xenlab.a": "class Run: ...\nclass _Reader: ...", "xenlab.b": "class Run: ...\nclass _Reader: ..."}
    assert classes_named_alike(planted) == ["Run: xenlab.a, xenlab.b"]
    assert classes_named_alike({"xenlab.a": "class Run: ...", "xenlab.b": "from xenlab.a import Run\nRun()"}) == []


def test_places_and_lengths_are_noticed() -> None:
    host = "pypi" + ".org"
    planted = f"see https://{host}/simple\nfine\nPATH={ROOT}/xenlab\n"
    assert [c.partition(" ")[0] for c in foreign_places("planted", planted)][:2] == ["planted:1", "planted:3"]
    assert foreign_places("planted", "/" + "work/main")
    assert foreign_places("planted", "/home/artem/guest1.cfg, ./work/x, at https://xenbits.xen.org") == []
    assert too_long("planted", "x\n" * 401)
    assert not too_long("planted", "x\n" * 400)


def test_no_two_test_modules_have_one_name() -> None:
    """pytest would collect the tests of one of them alone."""
    names = [path.stem for path in (ROOT / "selftests").rglob("test_*.py")]
    assert [name for name in set(names) if names.count(name) > 1] == []
