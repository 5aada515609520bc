"""math: its expressions, its questions and their judge, its calculator and its service, and both variants."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from orchprof_workloads import math as workload
from orchprof_workloads.math import calculator, expression, prompt, script, service, tasks, tools

KINDS = ("arithmetic", "solve", "differentiate", "integrate")


@pytest.mark.parametrize(
    ("text", "value"), [("1 + 2*x", 7), ("x^2 - -1", 10), ("sqrt(16) / 2**x", 0.5), ("exp(0) * I**2", -1)]
)
def test_an_expression_is_read(text, value):
    assert expression.at(text, 3) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()", "x.real", "(lambda: 1)()", "open(1)", "y", "1 +", "", "[1, 2]", "x < 2",
        "9**9**9**9", "1/(x - 3)", "log(0)", "'a'", "exp(x, x)", "x" + " + x" * 1000,
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_and_never_run(text):
    with pytest.raises(ValueError, match="expression"):
        expression.at(text, 3)


def test_a_slope_is_as_exact_as_a_float():
    # d/dx x^2 sin(x) at 1 is 2 sin 1 + cos 1
    assert expression.slope("x^2 * sin(x)", 1.0) == pytest.approx(2.2232442754839327, rel=1e-14)


@pytest.mark.parametrize("problem", [*KINDS, "mixed"])
def test_the_questions_differ_and_come_from_the_seed(problem):
    one = tasks.tasks(problem, 1)
    assert len(set(one)) == len(one) == tasks.COUNT >= 20
    assert one == tasks.tasks(problem, 1)
    assert len(set(one) & set(tasks.tasks(problem, 2))) < len(one) / 2 or problem != "mixed"
    assert [task.operation for task in one[:4]] == (list(KINDS) if problem == "mixed" else [problem] * 4)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_question_can_be_read_back(seed):
    for task in tasks.tasks("mixed", seed):
        assert prompt.parse(task.question) == (task.operation, task.expression)


@pytest.mark.parametrize(
    ("operation", "text", "right", "wrong"),
    [
        ("arithmetic", "(12 + 30) * 10 - 20", "400", ["401", "400.001"]),
        ("arithmetic", "100 - 1 / 8", "799/8", ["100"]),
        ("solve", "x^3 + (-6)*x^2 + (11)*x + (-6)", "3, 1, 2", ["1, 2", "1, 2, 2", "1, 2, 4", "1"]),
        ("solve", "x^3 + (0)*x^2 + (1)*x + (0)", "0, I, -I", ["0, 1, -1"]),
        ("differentiate", "x^3", "3*x**2", ["3*x", "3*x**2 + 0.001", "3"]),
        ("integrate", "3*x^2", "x**3 + 17", ["x**2", "3*x**2", "x**3 + x/1000"]),
        ("integrate", "1/x", "log(5*x)", ["log(x)**2"]),
    ],
)
def test_the_judge_decides_with_numbers(operation, text, right, wrong):
    task = tasks.Task(operation, text)
    assert tasks.judge(task, right) is None
    for result in wrong:
        assert f"@ {operation} {text}" in tasks.judge(task, result)
    for rubbish in ("banana", "", "1, ", "oo", "Integral(x, x)"):
        assert "cannot be checked" in tasks.judge(task, rubbish)


def test_the_judge_does_not_use_the_calculator(monkeypatch):
    monkeypatch.setattr(calculator, "_OPERATIONS", {})
    assert tasks.judge(tasks.Task("differentiate", "sin(x)"), "cos(x)") is None


@pytest.mark.parametrize("problem", KINDS)
def test_the_calculator_is_right(problem):
    for task in tasks.tasks(problem, 3)[:5]:
        assert tasks.judge(task, calculator.calculate(task.operation, task.expression)) is None


@pytest.mark.parametrize(
    ("operation", "text", "message"),
    [
        ("guess", "1", "unknown operation, 'guess' @ calculator, choose from arithmetic, solve"),
        ("solve", "print(1)", "not an expression in x, 'print"),
    ],
)
def test_what_the_calculator_cannot_do_is_an_error(operation, text, message):
    with pytest.raises(calculator.CalculatorError, match=message):
        calculator.calculate(operation, text)


def turns(*contents):
    roles = ("system", "user", "assistant", "tool")
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


def test_the_script_calls_and_then_says_what_it_was_told(defaults):
    reply = script.make(defaults(workload), 1)
    question = tasks.Task("solve", "x - 1").question
    called = reply(turns("", question), [])
    assert called["tool_calls"] == [
        {"name": "calculate", "arguments": {"operation": "solve", "expression": "x - 1"}}
    ]
    assert reply(turns("", question, "", "banana"), []) == {"content": "Answer: banana", "tool_calls": []}
    assert reply(turns("", "How are you?"), [])["content"] == "I do not know."


def test_turns_are_padded_to_their_length_and_still_read(defaults):
    reply = script.make(defaults(workload, output_tokens=100), 1)
    question = tasks.Task("solve", "x - 1").question
    for said in (reply(turns("", question), []), reply(turns("", question, "", "1"), [])):
        assert said["output_tokens"] == 100
        text = said["content"] + "".join(map(str, said["tool_calls"]))
        assert len(text) == pytest.approx(400, abs=8)
    assert prompt.answered(said["content"]) == "1"


@pytest.mark.parametrize("backend", ["local", "remote"])
def test_both_variants_ask_the_same_and_do_the_same(backend, serve, defaults, labels, tmp_path):
    settings = defaults(workload, backend=backend, delay_ms=0)
    answers, asked, called = {}, {}, {}
    for variant in workload.VARIANTS:
        endpoint = serve(workload, settings)
        agent = workload.open(settings, 1, variant, endpoint.url, "m", tmp_path)
        agent.prepare(0, 0)
        labels.clear()
        with ThreadPoolExecutor(2) as pool:
            answers[variant] = list(pool.map(agent.run, range(8), range(8)))
        called[variant] = sorted(label for label in labels if label[0] != "framework")
        asked[variant] = sorted(json.dumps(request, sort_keys=True) for request in endpoint.requests)
        assert [agent.check(number, answer) for number, answer in enumerate(answers[variant])] == [None] * 8
        agent.close()
    assert answers["openai"] == answers["bare"]
    assert asked["openai"] == asked["bare"]
    assert called["openai"] == called["bare"] == [("client", "chat")] * 16 + [("tool", "calculate")] * 8


@pytest.fixture
def local(serve, defaults, tmp_path):
    """An agent of the bare variant and its endpoint; its calculator can be replaced."""
    settings = defaults(workload, backend="local")
    endpoint = serve(workload, settings)
    agent = workload.open(settings, 1, "bare", endpoint.url, "m", tmp_path)
    yield agent, endpoint
    agent.close()


def test_a_wrong_result_gives_a_wrong_answer(local, monkeypatch):
    agent, _ = local
    monkeypatch.setattr(agent.calculator, "calculate", lambda *_: "1")
    assert "answered 1, expected" in agent.check(0, agent.run(0, 0))
    assert agent.check(0, "It depends.") == "did not know"


@pytest.mark.parametrize("arguments", [{}, ["x"], {"operation": "solve"}])
def test_a_call_that_makes_no_sense_is_an_error(arguments, local):
    agent, endpoint = local
    endpoint.script = lambda *_: {
        "content": "",
        "tool_calls": [{"name": "calculate", "arguments": arguments}],
    }
    with pytest.raises(ValueError, match="not a call of the calculator, calculate"):
        agent.run(0, 0)


def test_a_model_that_never_answers_is_stopped(local):
    agent, endpoint = local
    call = {"name": "calculate", "arguments": {"operation": "arithmetic", "expression": "1"}}
    endpoint.script = lambda *_: {"content": "", "tool_calls": [call]}
    assert agent.check(0, agent.run(0, 0)) == "did not know"
    assert len(endpoint.requests) == prompt.STEP_LIMIT


class Faulty(ThreadingHTTPServer):
    """A service that gives one reply to everything, or none at all."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply):
        self.over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):  # noqa: N805
                if reply is None:
                    self.over.wait()
                    return
                status, body = reply
                handler.send_response(status)
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def end(self):
        self.over.set()
        self.shutdown()
        self.server_close()
        self.thread.join()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (None, "no reply within 0.2 s @ calculator service"),
        ((200, b"<html>busy</html>"), "a reply without a result, status 200, '<html>busy</html>'"),
        ((200, b'{"result": 4}'), "a reply without a result, status 200"),
        ((502, b""), "a reply without a result, status 502, ''"),
        ((200, b"[]"), "a reply without a result"),
        ((400, b'{"error": "no such thing"}'), "no such thing"),
    ],
)
def test_a_service_that_gives_no_result_is_an_error_of_the_task(reply, message, local):
    agent, _ = local
    faulty = Faulty(reply)
    agent.calculator = tools.Remote(f"http://127.0.0.1:{faulty.server_port}", 0.2)
    try:
        with pytest.raises(calculator.CalculatorError, match=message):
            agent.run(0, 0)
    finally:
        faulty.end()


def test_a_service_that_is_not_there_is_an_error(local):
    agent, _ = local
    agent.calculator = tools.Remote("http://127.0.0.1:1", 1)
    with pytest.raises(calculator.CalculatorError, match="no reply, ConnectError"):
        agent.run(0, 0)


def test_the_service_keeps_a_reply_back_for_the_rest_of_the_delay(monkeypatch):
    held = []

    class Clock:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(held.append)

    monkeypatch.setattr(service, "time", Clock)
    server = service.Server(delay_s=60.0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
        right = client.post("/", json={"operation": "solve", "expression": "x - 4"})
        wrong = client.post("/", content=b"solve it")
        unknown = client.post("/", json={"operation": "guess", "expression": "x"})
    server.shutdown()
    server.server_close()
    thread.join()
    assert right.json() == {"result": "4"}
    assert (wrong.status_code, unknown.status_code) == (400, 400)
    assert wrong.json()["error"].startswith("not a request, JSONDecodeError")
    assert len(held) == 3
    assert all(0 < pause < 60 for pause in held)


def test_the_service_runs_in_a_process_of_its_own_that_ends_with_the_agent(defaults):
    import psutil

    served = tools.calculator(defaults(workload, delay_ms=0))
    assert served.calculate("integrate", "2*x") == "x**2"
    command = ["-m", "orchprof_workloads.math", "0"]
    mine = [child for child in psutil.Process().children(recursive=True) if child.cmdline()[-3:] == command]
    assert mine == []
    served.close()
    with pytest.raises(httpx.ConnectError):
        httpx.post(served.url)


def test_a_service_that_does_not_start_is_an_error(defaults, monkeypatch):
    monkeypatch.setattr(tools.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"did not start, exit 1 @ orchprof_workloads\.math$"):
        tools.calculator(defaults(workload))


@pytest.mark.parametrize(
    ("changed", "variant", "message"),
    [
        ({"problem": "geometry"}, "bare", "unknown problem, 'geometry' @ math, choose from mixed"),
        ({"backend": "cloud"}, "bare", "unknown backend, 'cloud' @ math, choose from remote, local"),
        ({"delay_ms": -1}, "bare", "delay_ms is too small, -1 @ math"),
        ({"timeout_s": 0}, "bare", "timeout_s is too small, 0 @ math"),
        ({}, "toolformer", "unknown variant, 'toolformer' @ math"),
    ],
)
def test_bad_settings_are_refused(changed, variant, message, defaults, tmp_path):
    with pytest.raises(ValueError, match=message):
        workload.open(defaults(workload, **changed), 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)
