"""A project file that cannot be: one line says what is wrong in it, and nothing else is said."""

import pytest
from bad_files import DIGITS, PLAN, refused

PROJECTS = [
    (b"[prices\n", "cannot read the project's prices"),
    (b"prices = 5\n", "not a table, 'prices' @ orchprof.toml"),
    (b"[price]\ncore = 1\n", "unknown table, 'price' @ orchprof.toml"),
    (b"[prices]\ncore = nan\n", "not a finite amount, 'NaN' @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = inf\n", "not a finite amount, 'Infinity' @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = true\n", "not a value, True @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = [1]\n", "not a value, [1] @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = -1\n", "a negative price, '-1' @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = " + DIGITS.encode(), "orchprof.toml"),
    (b"[prices]\ncore = 1e99999999999999999999\n", "orchprof.toml"),
    (b"[prices]\ncore = { unit = 'usd_per_hour', value = 1 }\n", "a wrong unit, 'usd_per_hour'"),
    (b"[prices]\ncore = " + b"[" * 100_000, "it is nested too deep"),
    (b"[prices]\n\0", "a NUL is in it"),
    ("[prices]\n".encode("utf-16"), "it is no text in UTF-8"),
    (b"[machines.box]\nvcpus = 1\n", "not a machine, 'box'"),
    (b"[machines.'a/b']\nvcpus = '2\xd9\xa3'\nmemory_gib = 1\nusd_per_hour = 1\n", "not a whole number"),
]


LINKS = [
    ("/dev/zero", "it holds more than 2 MiB @ orchprof.toml"),
    (".", "Is a directory @ orchprof.toml"),
    ("nowhere", "No such file or directory @ orchprof.toml"),
    ("orchprof.toml", "Too many levels of symbolic links @ orchprof.toml"),
]


@pytest.mark.parametrize(("target", "fragment"), LINKS)
def test_a_project_file_that_is_none(ask, tmp_path, target, fragment):
    (tmp_path / "orchprof.toml").symlink_to(target)
    for command in ("prices", "cost RUN", PLAN):
        refused(ask(command), fragment)


@pytest.mark.parametrize(("content", "fragment"), PROJECTS, ids=range(len(PROJECTS)))
def test_a_project_file_that_cannot_be(ask, tmp_path, content, fragment):
    (tmp_path / "orchprof.toml").write_bytes(content)
    for command in ("prices", "cost RUN", PLAN):
        refused(ask(command), fragment)
