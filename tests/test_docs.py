"""The documents tell the truth: commands run, options exist, links lead somewhere, generated pages are as generated."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from test_house import FLOORS

from orchprof.cli import main
from orchprof.cli.app import build
from orchprof.ledger.measures import MEASURES
from orchprof.ledger.shares import SHARES
from orchprof.run.schema import EDGE_KINDS, PROVENANCES, ROLES, STATES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
TEST_COMMAND = "pip install -e '.[test]' && python -m pytest"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_the_quick_start_has_exactly_two_commands():
    start = README.split("## Quick start", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```sh\n(.*?)```", start, flags=re.DOTALL)
    assert [block.strip() for block in blocks] == [
        "pip install '.[workloads]' && orchprof bench",
        TEST_COMMAND,
    ]


def test_what_ci_runs_contains_the_readmes_test_command_word_for_word():
    assert "make check" in (ROOT / ".ci/run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert f"\t{TEST_COMMAND}\n" in makefile
    assert re.search(r"^check:.*\btest\b", makefile, flags=re.MULTILINE)


def test_the_readme_is_short():
    assert len(README.encode()) <= 10_000


@by_page
def test_a_page_says_first_what_it_is_for(page):
    title, blank, purpose = page.read_text().splitlines()[:3]
    assert title.startswith("# ")
    assert not blank
    assert len(purpose.split()) >= 8
    assert not purpose.startswith(("#", "|", "-", "`"))


def test_the_command_line_is_as_generated():
    generated = runpy.run_path(ROOT / "docs/reference.py")["text"]
    assert (ROOT / "docs/cli.md").read_text() == generated(), "run `make docs`"


def test_every_workload_in_the_documents_is_packaged_and_the_other_way_round():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packaged = set(project["entry-points"]["orchprof.workloads"])
    table = (ROOT / "docs/workloads.md").read_text().split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == packaged


def test_the_glossary_defines_every_label_measure_and_share():
    words = set(re.findall(r"`(\w+)`", (ROOT / "docs/glossary.md").read_text()))
    assert words >= {*ROLES, *STATES, *MEASURES, *SHARES, *PROVENANCES, *EDGE_KINDS}


def test_the_picture_of_the_floors_is_the_one_that_is_enforced():
    picture = re.search(r"```text\n(.*?)```", (ROOT / "docs/design.md").read_text(), flags=re.DOTALL)[1]
    drawn = [set(line[:13].split()) for line in picture.splitlines()]
    assert drawn[:-1] == FLOORS[:0:-1]
    assert set(picture.splitlines()[-1].split()) >= FLOORS[0]


@by_page
def test_what_a_page_links_to_is_there(page):
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]+))?\)", page.read_text()):
        there = page.parent / target if target else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(there.read_text()), f"{page.name}: {target}#{anchor}"


def anchors(text):
    """Return what the headings of a page are linked as."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_page
def test_the_files_that_a_page_names_are_there(page):
    for path in re.findall(r"`([\w./-]+/[\w./-]+\.(?:py|csv|toml|json|txt))`", page.read_text()):
        if "NAME" not in path and not path.startswith("./"):  # else it is the reader's own
            assert any((root / path).exists() for root in (ROOT, ROOT / "orchprof")), f"{page.name}: {path}"


@by_page
def test_what_a_page_says_to_make_can_be_made(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert targets >= set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), flags=re.MULTILINE))


@by_page
def test_the_python_of_a_page_is_python(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        compile(textwrap.dedent(block), page.name, "exec")


# What a page calls a run of the reader's own, and the tutorial its second one.
RUN = re.compile(r"(?<![\w-])(RUN\b(\.\.\.)?|b-rag/rag)")


def commands(page):
    """Yield the orchprof commands of a page as arguments, those in its text and those in blocks of shell."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [*"\n".join(blocks).splitlines(), *re.findall(r"^ {4}(\S.*)$", prose, flags=re.MULTILINE)]
    for said in [*lines, *re.findall(r"`(orchprof [^`]+)`", prose)]:
        command = re.search(r"(?:^|\s)orchprof ([a-z].*?)(?: &)?$", " ".join(said.split()))
        if command:
            yield shlex.split(RUN.sub("r-agent", command[1]))


KNOWN = build().commands
SHOWN = {
    " ".join(given): given
    for page in PAGES
    if page.name != "cli.md"  # generated, of the commands themselves
    for given in commands(page)
}
# These measure for minutes, serve for ever, or need other runs or a file: they are parsed, and not run.
LONG = {"bench", "record", "serve-model", "verify"}
LONG_OPTIONS = {"--backtest", "--calibrate", "--calibration", "--extrapolate", "--workers"}
QUICK_OPTIONS = {"--list", "--explain"}


@pytest.mark.parametrize("given", SHOWN.values(), ids=SHOWN)
def test_every_command_in_the_documents_is_one(given):
    command = KNOWN[given[0]]
    if len(given) > 1:  # else it is the name of the command
        command.make_context(f"orchprof {given[0]}", given[1:])


def is_quick(given):
    options = set(given)
    return not options & LONG_OPTIONS and (given[0] not in LONG or bool(options & QUICK_OPTIONS))


QUICK = {name: given for name, given in SHOWN.items() if len(given) > 1 and is_quick(given)}


def tutorial(command):
    """Return the tutorial's first command that begins so, to be run by this interpreter."""
    found = re.search(rf"^orchprof ({command} .*?)(?: &)?$", TUTORIAL, flags=re.MULTILINE)[1]
    words = [sys.executable if word == "python" else word for word in shlex.split(found)]
    return [sys.executable, "-m", "orchprof", *words]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a folder in which the tutorial was followed up to its second section."""
    folder = tmp_path_factory.mktemp("tutorial")
    program = re.search(r"```python\n(.*?)```", TUTORIAL, flags=re.DOTALL)[1]
    (folder / "my_agent.py").write_text(program.replace("QUESTIONS * 10", "QUESTIONS * 5"))
    serve = [*tutorial("serve-model"), "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = json.loads(server.stdout.readline())["base_url"]
            there = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}
            done = subprocess.run(
                tutorial("record"),
                cwd=folder,
                env=os.environ | there,
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            server.terminate()
    assert done.stdout.splitlines() == 5 * re.findall(r'^    "(.*\?)",$', TUTORIAL, flags=re.MULTILINE)
    assert "Saved r-agent" in done.stderr
    return folder


@pytest.mark.parametrize("given", QUICK.values(), ids=QUICK)
def test_every_command_in_the_documents_runs(given, recorded, monkeypatch, capsys):
    monkeypatch.chdir(recorded)
    code = main(given)
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert said.out
