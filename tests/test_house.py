"""The laws of the house, read from the source: floors, imports, printing, lengths, what is packaged."""

import ast
import statistics
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
# Lowest first; a room imports only from itself and from rooms below it. "orchprof" is the public API.
FLOORS = [
    {"errors", "units", "files", "terminal"}, {"contract"}, {"clocks"}, {"capture"}, {"run"}, {"orchprof"}, {"stats"},
    {"ledger"}, {"watch"}, {"models"}, {"bench"}, {"verify"}, {"prices"}, {"simulate"}, {"whatif"}, {"plan"},
    {"economics"}, {"claim"}, {"exchange"}, {"report"}, {"cli"}, {"__main__"},
]  # fmt: skip
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
STANDARD_LIBRARY_ONLY = ("clocks", "capture")
CAPTURE = {"task", "span", "tool", "model"}
MODULE_LINES = 400
MODULES = 16  # in one folder
# What several rooms have a module on: its record, its figures, its page.
SUBJECTS = {"load", "costs", "deaths", "explain", "workloads"}
MEDIAN_LINES, P90_LINES = 10, 27


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self):
        return self.name.split(".")[1] if "." in self.name else self.name


@dataclass(frozen=True)
class Import:
    target: str  # the module, or the name in it where that is no module
    line: int


def load(folder, package):
    modules = {}
    for path in sorted((HOME / folder).rglob("*.py")):
        parts = [package, *path.relative_to(HOME / folder).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path, ast.parse(path.read_text(), str(path)))
    return modules


PRODUCT = load("orchprof", "orchprof")
WORKLOADS = load("workloads", "orchprof_workloads")
EVERY = {**PRODUCT, **WORKLOADS}
by_name = pytest.mark.parametrize("module", EVERY.values(), ids=EVERY)
product = pytest.mark.parametrize("module", PRODUCT.values(), ids=PRODUCT)


def imports(module, known):
    """Yield every import of a module, those inside functions too; relative ones made absolute."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = origin(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in known else base, node.lineno)


def origin(module, node):
    if not node.level:
        return node.module
    package = module.name.split(".")
    package = package if module.path.name == "__init__.py" else package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, node.module] if node.module else package)


def room_of(target):
    parts = target.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def cycle(graph):
    """Return the modules of one import cycle, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return None
        path.append(name)
        found = next((loop for target in sorted(graph[name]) if (loop := visit(target))), None)
        path.pop()
        done.add(name)
        return found

    return next((loop for name in graph if (loop := visit(name))), None)


def test_the_tree_was_read():
    assert {"orchprof", "orchprof.cli.bench", "orchprof.run.schema"} <= set(PRODUCT)
    assert {module.room for module in PRODUCT.values()} <= set(FLOOR), "a room without a floor"


def test_a_cycle_is_found_where_there_is_one():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_a_folder_is_seen_at_a_glance():
    folders = Counter(path.parent for path in HOME.glob("orchprof/**/*.py") if path.stem != "__init__")
    assert {folder: n for folder, n in folders.items() if n > MODULES} == {}


def test_a_name_stands_twice_only_for_one_subject():
    """A command is a record, what makes it, and what shows it; anything else has a name of its own."""
    stems = [path.stem for path in HOME.glob("orchprof/**/*.py") if path.stem not in ("__init__", "__main__")]
    commands = {path.stem for path in HOME.glob("orchprof/cli/*.py")}
    assert {stem for stem, n in Counter(stems).items() if n > 1} - commands <= SUBJECTS


@product
def test_imports_go_down(module):
    for used in imports(module, PRODUCT):
        if used.target.split(".")[0] == "orchprof" and used.target != module.name:
            room = room_of(used.target)
            assert room == module.room or FLOOR[room] < FLOOR[module.room], f"{used.target} @ {used.line}"


def test_imports_make_no_cycle():
    graph = {
        name: {used.target for used in imports(module, PRODUCT) if used.target in PRODUCT} - {name}
        for name, module in PRODUCT.items()
    }
    assert cycle(graph) is None


@product
def test_the_product_never_imports_a_workload(module):
    for used in imports(module, EVERY):
        assert used.target.split(".")[0] not in ("workloads", "orchprof_workloads"), f"line {used.line}"


@pytest.mark.parametrize("room", STANDARD_LIBRARY_ONLY)
def test_what_runs_in_the_profiled_process_is_standard_library_only(room):
    modules = [module for module in PRODUCT.values() if module.room == room]
    assert modules
    for module in modules:
        for used in imports(module, PRODUCT):
            top = used.target.split(".")[0]
            # Found beside it on the path: the module that ours stands in front of, and its own neighbour.
            known = top in ("orchprof", "sitecustomize", "_orchprof_marker") or top in sys.stdlib_module_names
            assert known, f"{used.target} @ {module.name}"


@pytest.mark.parametrize("module", WORKLOADS.values(), ids=WORKLOADS)
def test_workloads_use_the_capture_api_only(module):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            bad = [a.name for a in node.names if a.name.split(".")[0] in ("orchprof", "orchprof_workloads")]
            assert bad in ([], ["orchprof"]), f"line {node.lineno}"
        elif isinstance(node, ast.ImportFrom) and not node.level:
            top = node.module.split(".")[0]
            assert top != "orchprof_workloads", f"import it relatively @ line {node.lineno}"
            assert top != "orchprof" or node.module == "orchprof", f"line {node.lineno}"
            assert top != "orchprof" or {a.name for a in node.names} <= CAPTURE, f"line {node.lineno}"
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "orchprof"
        ):
            assert node.attr in CAPTURE, f"orchprof.{node.attr} @ line {node.lineno}"


@product
def test_only_the_command_line_prints(module):
    if module.room in ("cli", "__main__"):
        return
    for node in ast.walk(module.tree):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        assert not (called and node.func.id == "print"), f"line {node.lineno}"


@by_name
def test_a_module_says_first_what_it_is(module):
    first = module.tree.body[0] if module.tree.body else None
    assert ast.get_docstring(module.tree), "no docstring"
    assert first.lineno == 1, "the docstring is not the first line"


@by_name
def test_modules_are_short(module):
    assert len(module.path.read_text().splitlines()) <= MODULE_LINES


def test_functions_are_short():
    lengths = sorted(
        code_lines(module, node)
        for module in PRODUCT.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert statistics.median(lengths) <= MEDIAN_LINES
    assert lengths[int(len(lengths) * 0.9)] <= P90_LINES


def code_lines(module, function):
    """Return how many lines of a function are code: no docstring, no blank line, no comment."""
    first = function.body[0]
    said = range(0)
    if ast.get_docstring(function):
        said = range(first.lineno, first.end_lineno + 1)
    lines = module.path.read_text().splitlines()
    return sum(
        bool(lines[n - 1].strip()) and not lines[n - 1].lstrip().startswith("#") and n not in said
        for n in range(function.lineno, function.end_lineno + 1)
    )


def test_every_package_is_packaged():
    listed = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = [name for name, module in EVERY.items() if module.path.name == "__init__.py"]
    assert sorted(listed) == sorted(packages)


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import orchprof", ["numpy", "pandas", "pyarrow", "psutil"]),
        (
            "from orchprof.cli import main; main(['--help'])",
            [
                "numpy",
                "pandas",
                "pyarrow",
                "scipy",
                "psutil",
                "jsonschema",
                "starlette",
                "uvicorn",
                "rich.progress",
            ],
        ),
        (
            "from orchprof.run import machine; machine.fingerprint(); machine.can_measure()",
            ["numpy", "pandas", "openai", "torch", "httpx"],
        ),
    ],
    ids=["capture", "help", "machine"],
)
def test_starting_is_cheap(code, heavy):
    code = f"import sys\n{code}\nloaded = {heavy!r}\nsys.exit(' '.join(n for n in loaded if n in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
