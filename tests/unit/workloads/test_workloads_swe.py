"""swe: its faults, its repository, its script, and both variants against an endpoint."""

import ast
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from orchprof_workloads import swe
from orchprof_workloads.swe import bare, mini, prompt, repository, script, tasks

BUG = tasks.Bug(
    path="networkx/algorithms/thing.py",
    function="thing",
    kind="off by one",
    before="    return 1",
    after="    return 2",
    tests="networkx/algorithms/tests/test_thing.py",
    failing="TestThing::test_one",
)


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """The clean repository, built once for all the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "workloads-cache"))
        return repository.template()


def git(folder, *arguments):
    return subprocess.check_output(["git", *arguments], cwd=folder, text=True)


def test_the_table_holds_distinct_faults_that_fit_this_networkx(clean):
    fitting = tasks.tasks(clean, 1)
    assert len(fitting) >= 20
    assert (
        len({(bug.path, bug.function) for bug in fitting})
        == len({bug.issue for bug in fitting})
        == len(fitting)
    )
    for bug in fitting:
        text = (clean / bug.path).read_text()
        faulty = bug.seeded(text)
        ast.parse(faulty)
        assert faulty.replace(bug.after, bug.before) == text
        assert f"def {bug.failing.split('::')[-1]}(" in (clean / bug.tests).read_text()


def test_the_seed_shuffles_the_tasks(clean):
    one, two = tasks.tasks(clean, 1), tasks.tasks(clean, 2)
    assert one != two
    assert one == tasks.tasks(clean, 1)
    assert set(one) == set(two)


def test_a_fault_that_does_not_fit_is_left_out(tmp_path):
    assert BUG.seeded("def thing():\n    return 1\n") == "def thing():\n    return 2\n"
    assert BUG.seeded("    return 1\n    return 1\n") is None
    assert BUG.seeded("    return 1\n    return 2\n") is None
    with pytest.raises(ValueError, match="no fault fits"):
        tasks.tasks(tmp_path, 1)


def test_a_lane_is_the_clean_repository_and_the_fault(clean, tmp_path):
    first, second = tasks.tasks(clean, 1)[:2]
    slot = tmp_path / "slot-0"
    repository.seed(slot, first, 0)
    (slot / second.path).write_text("rubbish")
    (slot / "left.txt").write_text("over")
    repository.seed(slot, second, 1)
    assert git(slot, "status", "--porcelain") == ""
    changed = [line for line in git(slot, "diff", "clean").splitlines() if re.match(r"[-+](?![-+])", line)]
    assert changed == [f"-{second.before}", f"+{second.after}"]
    assert (slot / first.path).read_text() == (clean / first.path).read_text()
    times = {(slot / bug.path).stat().st_mtime for bug in (first, second)}
    assert times == {repository._CLEAN_S, repository._CLEAN_S + 2}


def test_the_verdict_is_about_the_text_alone(clean, tmp_path):
    bug, other = tasks.tasks(clean, 1)[:2]
    slot = tmp_path / "slot-0"
    repository.seed(slot, bug, 0)
    assert repository.verdict(clean, bug, "\n") == "nothing was submitted"
    path = slot / bug.path
    path.write_text(path.read_text().replace(bug.after, bug.before))
    right = git(slot, "diff")
    assert repository.verdict(clean, bug, right) is None
    path.write_text(path.read_text() + "# more\n")
    assert (
        repository.verdict(clean, bug, git(slot, "diff")) == f"{bug.path} is not as it was before the fault"
    )
    assert "not one of" in repository.verdict(clean, other, right)
    extra = "diff --git a/conftest.py b/conftest.py\nnew file mode 100644\n"
    extra += "--- /dev/null\n+++ b/conftest.py\n@@ -0,0 +1 @@\n+x = 1\n"
    assert "not one of" in repository.verdict(clean, bug, right + extra)
    assert "not one of" in repository.verdict(clean, bug, "no patch at all")


@pytest.mark.parametrize("output", ["", "short\n", "x" * 10_000, "head" + "x" * 20_000 + "tail\n"])
@pytest.mark.parametrize("exception", ["", "it took too long"])
def test_both_variants_show_outputs_alike(output, exception):
    from jinja2 import Template

    shown = {"output": output, "returncode": 1, "exception_info": exception}
    assert Template(prompt.OBSERVATION).render(output=shown) == prompt.observation(output, 1, exception)


class Conversation:
    """What the script is sent, and what it says next."""

    def __init__(self, monkeypatch, settings, issue=BUG.issue):
        monkeypatch.setattr(script, "bugs", lambda: [BUG])
        self.reply = script.make(settings, 1)
        self.messages = [{"role": "system", "content": prompt.SYSTEM}, {"role": "user", "content": issue}]

    def command(self):
        self.said = self.reply(self.messages, [])
        self.messages.append({"role": "assistant", "content": self.said["content"]})
        (command,) = re.findall(prompt.ACTION, self.said["content"], re.DOTALL)
        return command

    def show(self, output):
        self.messages.append({"role": "user", "content": prompt.observation(output, 0)})
        return self.command()


DEFINED = f"{BUG.path}:7:def thing(a):\n"
READ = "     7\tdef thing(a):\n     8\t    return 2\n"
RED = f"FAILED {BUG.tests}::{BUG.failing} - assert 2 == 1\n1 failed, 3 passed in 0.10s\n"
GIVES_UP = f"echo {prompt.SENTINEL}"


def test_the_script_works_from_what_it_reads(monkeypatch, defaults):
    talk = Conversation(monkeypatch, defaults(swe, tests="slow"))
    assert talk.command() == "grep -rn --include='*.py' 'def thing(' networkx"
    assert talk.show(DEFINED) == f"nl -ba {BUG.path} | sed -n '7,86p'"
    assert talk.show("     7\tdef thing(a):\n") == f"nl -ba {BUG.path} | sed -n '87,166p'"
    assert talk.show(READ) == f"python3 -m pytest -q {BUG.tests}"
    assert talk.show(RED) == f"cat -n {BUG.tests} | sed -n '1,80p'"
    assert talk.show("     1\tdef test_one():\n") == f"sed -i '8c\\    return 1' {BUG.path}"
    assert talk.show("") == "python3 -m pytest -q networkx/algorithms/tests"
    assert talk.show("4 passed, 1 xfailed in 0.10s\n") == f"{GIVES_UP} && git diff"
    assert talk.show("fatal: not a repository") == GIVES_UP


@pytest.mark.parametrize(
    "outputs",
    [
        ["networkx/elsewhere.py:3:def thing(b):\n"],
        [DEFINED, *["     7\t    return 1\n"] * 4],
        [DEFINED, READ, "4 passed in 0.10s\n"],
        [DEFINED, READ, "ERROR: not found: test_thing.py\n"],
        [DEFINED, READ, RED, "", RED],
        [DEFINED, READ, RED, "", "3 passed, 1 error in 0.10s\n"],
        [DEFINED, READ, RED, "", "killed\n"],
    ],
)
def test_the_script_gives_up_when_it_does_not_see_what_it_needs(outputs, monkeypatch, defaults):
    talk = Conversation(monkeypatch, defaults(swe, steps=0))
    talk.command()
    said = [talk.show(output) for output in outputs]
    assert said[-1] == GIVES_UP
    assert GIVES_UP not in said[:-1]


def test_the_script_does_not_know_other_issues(monkeypatch, defaults):
    assert Conversation(monkeypatch, defaults(swe), issue="Please be quick.").command() == GIVES_UP


def test_thoughts_are_padded_with_what_was_shown(monkeypatch, defaults):
    talk = Conversation(monkeypatch, defaults(swe, output_tokens=200))
    talk.command()
    command = talk.show(DEFINED + "```bash\nrm\n```\n")
    assert command.startswith("nl -ba")
    assert talk.said["output_tokens"] == 200
    assert len(talk.said["content"]) == pytest.approx(800, abs=40)


def commands(endpoint):
    """Return every command of the longest conversations that the endpoint saw, per issue."""
    last = {request["messages"][1]["content"]: request["messages"] for request in endpoint.requests}
    said = {
        issue: [message["content"] for message in messages if message["role"] == "assistant"]
        for issue, messages in last.items()
    }
    return {
        issue: [re.findall(prompt.ACTION, text, re.DOTALL) for text in texts] for issue, texts in said.items()
    }


@pytest.mark.usefixtures("clean")
def test_both_variants_correct_the_same_faults_with_the_same_commands(serve, defaults, labels, tmp_path):
    settings, said, called = defaults(swe), {}, {}
    for variant in swe.VARIANTS:
        endpoint = serve(swe, settings)
        (tmp_path / variant).mkdir()
        agent = swe.open(settings, 1, variant, endpoint.url, "m", tmp_path / variant)
        for number in (0, 1):
            agent.prepare(number, number)
        labels.clear()
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(agent.run, (0, 1), (0, 1)))
        called[variant] = Counter(label for label in labels if label[0] != "framework")
        said[variant] = commands(endpoint)
        assert [agent.check(number, answer) for number, answer in enumerate(answers)] == [None, None]
        agent.close()
    assert said["mini-swe-agent"] == said["bare"]
    assert called["mini-swe-agent"] == called["bare"]
    assert called["bare"][("tool", "bash")] == called["bare"][("client", "chat")] >= 14


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("variant", swe.VARIANTS)
def test_replies_without_a_command_and_commands_without_end_are_shown_as_such(
    variant, serve, defaults, tmp_path
):
    endpoint = serve(swe, defaults(swe))
    replies = ["No command.", "```bash\necho begun; exec sleep 30\n```", f"```bash\n{GIVES_UP}\n```"]
    endpoint.script = lambda messages, _: {"content": replies[len(messages) // 2 - 1]}
    agent = swe.open(defaults(swe, timeout_s=1), 1, variant, endpoint.url, "m", tmp_path)
    agent.prepare(0, 0)
    assert agent.check(0, agent.run(0, 0)) == "nothing was submitted"
    rejected, timed_out = [endpoint.requests[-1]["messages"][number]["content"] for number in (3, 5)]
    assert rejected == "Give exactly one command in a ```bash block; there were 0."
    assert "timed out after 1 seconds" in timed_out
    assert "<returncode>-1</returncode>\n<output>\nbegun" in timed_out
    agent.close()


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("variant", swe.VARIANTS)
def test_an_agent_that_never_ends_is_stopped(variant, serve, defaults, tmp_path, monkeypatch):
    for module in (bare, mini):
        monkeypatch.setattr(module, "STEP_LIMIT", 3)
    endpoint = serve(swe, defaults(swe))
    endpoint.script = lambda *_: {"content": "```bash\ntrue\n```"}
    agent = swe.open(defaults(swe), 1, variant, endpoint.url, "m", tmp_path)
    agent.prepare(0, 0)
    assert agent.run(0, 0) == ""
    assert len(endpoint.requests) == 3
    agent.close()


@pytest.mark.parametrize(
    ("changed", "variant", "message"),
    [
        ({"tests": "all"}, "bare", "unknown tests, 'all' @ swe, choose from quick, slow"),
        ({"timeout_s": 0}, "bare", "timeout_s is too small, 0 @ swe"),
        ({}, "openhands", "unknown variant, 'openhands' @ swe"),
    ],
)
def test_bad_settings_are_refused(changed, variant, message, defaults, tmp_path):
    with pytest.raises(ValueError, match=message):
        swe.open(defaults(swe, **changed), 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)


def test_a_missing_repository_is_an_import_error(defaults, monkeypatch, tmp_path):
    monkeypatch.setattr(repository.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="networkx"):
        swe.open(defaults(swe), 1, "bare", "http://127.0.0.1:1/v1", "m", tmp_path)
