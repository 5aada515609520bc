"""The script that plays a coding agent's model: the steps it takes, by whatever tools are offered."""

import json

import pytest

from orchprof.models import coding
from orchprof.models.script import load

NAME = "orchprof.models.coding:make"
TESTS, SED = "python3 -m unittest -q", "sed -i 's/return a - b/return a + b/' calc.py"


def function(name, required=(), **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


TEXT, LIST, YES = {"type": "string"}, {"type": "array"}, {"type": "boolean"}
SHELLS = {
    "codex": function("exec_command", ["cmd"], cmd=TEXT, yield_time_ms={"type": "number"}),
    "list": function("shell", ["command"], command=LIST, workdir=TEXT),
    "qwen": function("run_shell_command", ["command", "is_background"], command=TEXT, is_background=YES),
    "claude": function("Bash", ["command", "description"], command=TEXT, description=TEXT),
    "described elsewhere": {"type": "function", "function": {"name": "bash", "parameters": {}}},
}
ARGUMENTS = {
    "codex": {"cmd": TESTS, "yield_time_ms": 30_000},
    "list": {"command": ["bash", "-lc", TESTS]},
    "qwen": {"command": TESTS, "is_background": False},
    "claude": {"command": TESTS, "description": "Run a command"},
    "described elsewhere": {"command": TESTS},
}


def play(tools, settings=None, messages=()):
    """Return the calls of each step until the answer, and the conversation."""
    script = load(NAME, settings or {}, 0)
    said, steps = [*messages, {"role": "user", "content": "Working directory: /home/me/work"}], []
    for _ in range(9):
        answer = script(said, tools)
        said.append({"role": "assistant", **answer})
        if not answer.get("tool_calls"):
            return steps, said
        steps.append(answer["tool_calls"])
        said += [{"role": "tool", "content": "done"} for _ in answer["tool_calls"]]
    raise AssertionError("it never answers")


@pytest.mark.parametrize("agent", SHELLS)
def test_a_command_is_called_as_the_tool_takes_it(agent):
    steps, said = play([function("read", ["path"], path=TEXT), SHELLS[agent]])
    assert [len(calls) for calls in steps] == [1, 1, 1]
    assert steps[0][0]["arguments"] == steps[2][0]["arguments"] == ARGUMENTS[agent]
    assert SED in json.dumps(steps[1][0]["arguments"])
    assert said[-1]["content"] == coding.ANSWER


def test_settings_are_what_it_does():
    settings = {"test": "make", "edit": "touch x", "beside": "ls", "output_tokens": "9"}
    steps, said = play([SHELLS["described elsewhere"]], settings)
    commands = [[call["arguments"]["command"] for call in calls] for calls in steps]
    assert commands == [["make", "ls"], ["touch x"], ["make"]]
    assert all(m["output_tokens"] == 9 for m in said if m["role"] == "assistant")


def test_the_texts_to_put_in_place_are_taken_as_they_are():
    steps, _ = play([SHELLS["described elsewhere"]], {"old": "a/b*", "new": "c&d", "file": "x.c"})
    assert steps[1][0]["arguments"]["command"] == r"sed -i 's/a\/b\*/c\&d/' x.c"


def test_the_agent_s_own_editor_reads_first_where_there_is_a_reader():
    edit = function(
        "edit", ["filePath", "oldString", "newString"], filePath=TEXT, oldString=TEXT, newString=TEXT
    )
    read = function("read_file", ["absolute_path"], absolute_path=TEXT)
    steps, _ = play([SHELLS["qwen"], read, edit], {"edit": "tool"})
    assert [calls[0]["name"] for calls in steps] == [
        "run_shell_command",
        "read_file",
        "edit",
        "run_shell_command",
    ]
    assert steps[1][0]["arguments"] == {"absolute_path": "/home/me/work/calc.py"}
    assert steps[2][0]["arguments"] == {
        "filePath": "/home/me/work/calc.py",
        "oldString": "return a - b",
        "newString": "return a + b",
    }


@pytest.mark.parametrize(
    ("said", "folder"),
    [
        ("<cwd>/home/me</cwd>", "/home/me/"),
        ("working directory: /home/me\nmore", "/home/me/"),
        ("**Workspace Directories:**\n\n  - /home/me", "/home/me/"),
        ("temporary directory is: /tmp/x\n- **Workspace:**\n  - /home/me", "/home/me/"),
        ("a directory.</description> /path of a file in the workspace", ""),
    ],
)
def test_the_folder_is_where_the_agent_says_it_works(said, folder):
    patch = function("apply_patch", ["patchText"], patchText=TEXT)
    editor = function(
        "edit", ["path", "old_string", "new_string"], path=TEXT, old_string=TEXT, new_string=TEXT
    )
    script = load(NAME, {"edit": "tool"}, 0)
    asked = [{"role": "system", "content": said}, {"role": "tool", "content": "done"}]
    (call,) = script(asked, [SHELLS["qwen"], editor])["tool_calls"]
    assert call["arguments"]["path"] == f"{folder}calc.py"
    (call,) = script(asked, [SHELLS["qwen"], patch])["tool_calls"]
    assert call["arguments"]["patchText"].startswith("*** Begin Patch")


def test_an_agent_without_an_editor_edits_by_its_shell():
    steps, _ = play([SHELLS["claude"]], {"edit": "tool"})
    assert steps[1][0]["arguments"]["command"] == SED


def test_free_form_tools_get_texts():
    patch = {"type": "custom", "custom": {"name": "apply_patch"}}
    steps, _ = play([SHELLS["codex"], patch], {"edit": "tool"})
    assert steps[1][0]["arguments"].startswith("*** Begin Patch\n*** Update File: calc.py")
    steps, _ = play([{"type": "custom", "custom": {"name": "exec"}}], {"edit": "tool"})
    assert (
        steps[0][0]["arguments"]
        == f'text(await tools.exec_command({{"cmd": "{TESTS}", "yield_time_ms": 30000}}));'
    )
    assert steps[1][0]["arguments"].startswith('text(await tools.apply_patch("*** Begin Patch')


def test_what_else_is_required_is_filled_with_the_least():
    tool = function(
        "bash", ["command", "mode", "depth"], command=TEXT, mode={"enum": ["now"]}, depth={"type": "integer"}
    )
    steps, _ = play([tool])
    assert steps[0][0]["arguments"] == {"command": TESTS, "mode": "now", "depth": 0}


def test_a_call_without_tools_is_a_title():
    assert play([])[1][-1]["content"] == coding.TITLE
    assert play([function("web_fetch", ["url"], url=TEXT)])[1][-1]["content"] == coding.TITLE


def test_each_turn_of_the_user_s_is_worked_on():
    _, said = play([SHELLS["claude"]])
    steps, _ = play([SHELLS["claude"]], messages=said)
    assert len(steps) == 3
