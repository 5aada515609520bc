"""What kind of program a command starts."""

import pytest

from orchprof.watch.programs import kind_of


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("python", "python"),
        ("/usr/bin/python3.12", "python"),
        ("pypy3", "python"),
        ("bash", "launcher"),
        ("uv", "launcher"),
        ("node", "other"),
        ("/nowhere/agent", "other"),
    ],
)
def test_a_program_is_told_by_its_name(program, kind):
    assert kind_of(program) == kind


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        ("#!/opt/env/bin/python3", "python"),
        ("#!/usr/bin/env python3", "python"),
        ("#!/usr/bin/env -S uv run --script", "launcher"),
        ("#!/bin/sh\n'''exec' \"/a/very/long/path/python3\" \"$0\" \"$@\"\n' '''", "python"),
        ("#!/bin/bash", "launcher"),
        ("#!/usr/bin/env node", "other"),
        ("\x7fELF", "other"),
        ("", "other"),
    ],
)
def test_a_script_is_told_by_its_interpreter(tmp_path, first, kind):
    script = tmp_path / "agent"
    script.write_text(first + "\nmore\n")
    assert kind_of(str(script)) == kind
