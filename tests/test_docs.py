"""The documents tell the truth: the commands they show exist, and what CI runs is what the README says."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
TEST_COMMAND = "pip install -e '.[test]' && python -m pytest"


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


@cache
def help_of(command):
    done = subprocess.run(
        [sys.executable, "-m", "orchprof", command, "--help"], capture_output=True, text=True, check=True
    )
    return done.stdout


SHOWN = sorted(
    set(
        re.findall(
            r"`orchprof (bench|brief|claim|cost|env|plan|prices|record|report|serve-model|verify|whatif)\b([^`]*)`",
            README,
        )
    )
)


SHOWN += re.findall(r"^orchprof ([a-z-]+)(.*)$", TUTORIAL, flags=re.MULTILINE)


@pytest.mark.parametrize(("command", "rest"), SHOWN, ids=lambda part: part.strip() or "-")
def test_every_command_in_the_documents_takes_the_options_shown(command, rest):
    for option in re.findall(r"--[a-z-]+", rest):
        assert option in help_of(command)


def test_every_workload_in_the_readme_is_packaged_and_the_other_way_round():
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][
        "orchprof.workloads"
    ]
    assert set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)) == set(packaged)


def test_files_that_documents_link_to_are_there():
    for document in (ROOT / "README.md", ROOT / "docs/design.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
