"""`orchprof record` of agents that are no Python: a Node loop and a static program of our own, against a real endpoint.

The endpoint's own clock is the truth of model time, what the agent itself clocks that of its tools.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from orchprof.models import endpoint_process

RECORD = (sys.executable, "-m", "orchprof", "record")
HOME = str(Path(__file__).parents[2])
KEY, WORDS = "sk-planted-key", "planted words of a prompt"
TEST, EDIT = "sleep 0.3; true # planted command", "sleep 0.1"

NODE = """
const { spawnSync } = require('child_process');
const base = process.env.OPENAI_BASE_URL, words = process.argv[2];
const tools = [{type: 'function', function: {name: 'bash', parameters: {type: 'object',
  properties: {command: {type: 'string'}}, required: ['command']}}}];
async function main() {
  const messages = [{role: 'user', content: words}], took = [];
  for (;;) {
    const reply = await fetch(base + '/chat/completions', {method: 'POST',
      headers: {'content-type': 'application/json', authorization: 'Bearer ' + process.env.OPENAI_API_KEY},
      body: JSON.stringify({model: 'gpt-5', messages, tools, stream: true, stream_options: {include_usage: true}})});
    if (!reply.ok) { console.log('status', reply.status); process.exit(5); }
    const text = await reply.text(), calls = [];
    let content = '';
    for (const line of text.split('\\n')) {
      if (!line.startsWith('data: {')) continue;
      const delta = (JSON.parse(line.slice(6)).choices[0] || {}).delta || {};
      content += delta.content || '';
      for (const part of delta.tool_calls || []) {
        const call = calls[part.index] ||= {id: part.id, type: 'function',
          function: {name: part.function.name, arguments: ''}};
        call.function.arguments += part.function.arguments || '';
      }
    }
    if (!calls.length) { console.log(JSON.stringify({content, took})); process.exit(3); }
    messages.push({role: 'assistant', content: null, tool_calls: calls});
    for (const call of calls) {
      const began = performance.now();
      const done = spawnSync('bash', ['-c', JSON.parse(call.function.arguments).command]);
      took.push((performance.now() - began) / 1000);
      messages.push({role: 'tool', tool_call_id: call.id, content: 'exit ' + done.status});
    }
  }
}
main();
"""

# Like a program in Go or Rust: static, threads of its own, no runtime that could be asked. It asks three times.
STATIC = r"""
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *idle(void *unused) { sleep(60); return unused; }

static char reply[1 << 20];

static void ask(const char *body) {
  char host[64], path[256], head[1024];
  int port, sock = socket(AF_INET, SOCK_STREAM, 0);
  sscanf(getenv("OPENAI_BASE_URL"), "http://%63[^:]:%d%255s", host, &port, path);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &to.sin_addr);
  if (connect(sock, (struct sockaddr *)&to, sizeof to)) { perror("connect"); exit(9); }
  int size = snprintf(head, sizeof head, "POST %s/chat/completions HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n"
    "content-type: application/json\r\ncontent-length: %zu\r\n\r\n", path, host, strlen(body));
  write(sock, head, size);
  write(sock, body, strlen(body));
  size_t have = 0;
  for (ssize_t got; (got = read(sock, reply + have, sizeof reply - 1 - have)) > 0;) have += got;
  reply[have] = 0;
  close(sock);
}

int main(void) {
  pthread_t thread;
  for (int i = 0; i < 4; i++) pthread_create(&thread, 0, idle, 0);
  char body[8192], history[4096] = "";
  const char *tools = "[{\"type\":\"function\",\"function\":{\"name\":\"bash\",\"parameters\":{\"type\":\"object\","
    "\"properties\":{\"command\":{\"type\":\"string\"}},\"required\":[\"command\"]}}}]";
  double took = 0;
  for (int step = 0;; step++) {
    snprintf(body, sizeof body, "{\"model\":\"gpt-5\",\"tools\":%s,\"messages\":"
      "[{\"role\":\"user\",\"content\":\"go\"}%s]}", tools, history);
    ask(body);
    char *id = strstr(reply, "call_");
    if (!id) break;
    id[29] = 0;
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    system(step == 1 ? EDIT : TEST);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    took += ended.tv_sec - began.tv_sec + (ended.tv_nsec - began.tv_nsec) / 1e9;
    snprintf(history + strlen(history), sizeof history - strlen(history), ",{\"role\":\"assistant\",\"content\":null,"
      "\"tool_calls\":[{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"bash\",\"arguments\":\"{}\"}}]},"
      "{\"role\":\"tool\",\"tool_call_id\":\"%s\",\"content\":\"ok\"}", id, id);
  }
  printf("{\"took\": [%f]}\n", took);
  return 3;
}
"""


@pytest.fixture(scope="module")
def endpoint():
    settings = {"test": TEST, "edit": EDIT}
    spec, script = "paced:llama-3.1-8b@h100-sxm", "orchprof.models.coding:make"
    with endpoint_process.start(spec, script, settings, any_model=True) as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    script = tmp_path_factory.mktemp("node") / "agent.js"
    script.write_text(NODE)
    return ["node", str(script), WORDS]


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    texts = f"#define TEST {json.dumps(TEST)}\n#define EDIT {json.dumps(EDIT)}\n"
    (folder / "agent.c").write_text(texts + STATIC)
    build = ["gcc", "-static", "-pthread", "-O1", "-w", "-o", str(folder / "agent"), str(folder / "agent.c")]
    if shutil.which("gcc") is None or subprocess.run(build, capture_output=True, check=False).returncode:
        pytest.skip("no static program can be built here")
    return [str(folder / "agent")]


def recorded(folder, command, base_url, *options, **environment):
    set_up = {"PYTHONPATH": HOME, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": KEY, **environment}
    return subprocess.run(
        [*RECORD, "--out", str(folder / "run"), *options, "--", *command],
        cwd=folder, env={**os.environ, **set_up}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def report(folder):
    done = subprocess.run(
        [sys.executable, "-m", "orchprof", "report", str(folder / "run"), "--format", "json"],
        env={**os.environ, "PYTHONPATH": HOME}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def table(folder, name):
    return pd.read_parquet(folder / "run" / f"{name}.parquet")


def path_s(record, role):
    return sum(row["cp_s"] for row in record["ledger"] if row["role"] == role)


@pytest.mark.parametrize("agent", ["node", "static"])
def test_an_agent_in_any_language_has_a_ledger(request, tmp_path, endpoint, agent):
    done = recorded(tmp_path, request.getfixturevalue(agent), endpoint.base_url)
    assert done.returncode == 3, done.stderr
    took_s = json.loads(done.stdout)["took"]
    record = report(tmp_path)
    assert record["run"]["resolution"] == "outside"
    assert record["checks"]["conservation_error_s"] < 1e-6
    latency_s = record["latency_s"]["mean"]

    calls = table(tmp_path, "model_calls")
    assert calls["status"].tolist() == [200] * 4
    assert calls["input_tokens"].gt(0).all()
    assert calls["output_tokens"].gt(0).all()
    server_s = calls["total_ns"].sum() / 1e9
    assert path_s(record, "model") == pytest.approx(server_s, rel=0.015, abs=0.02 * latency_s)

    spans = table(tmp_path, "spans")
    assert spans[spans["role"] == "tool"]["name"].tolist() == ["bash"] * 3
    children = table(tmp_path, "strands").query("kind == 'child'")
    assert len(children) == 3
    assert path_s(record, "tool") == pytest.approx(sum(took_s), rel=0.05)
    shares = record["shares"]
    assert shares["unexplained"]["cp"] < 0.02
    assert path_s(record, "framework") + path_s(record, "tool") + path_s(record, "model") == pytest.approx(
        latency_s
    )


def test_nothing_that_was_said_is_kept(tmp_path, endpoint, node):
    recorded(tmp_path, node, endpoint.base_url, "--quiet")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any(path.suffix == ".bin" for path in files)
    for path in files:
        kept = path.read_bytes()
        for planted in (KEY, WORDS, "planted command"):
            assert planted.encode() not in kept, path.name


def test_an_agent_whose_server_is_down_fails_as_it_would(tmp_path, node):
    done = recorded(tmp_path, node, "http://127.0.0.1:9/v1")
    assert (done.returncode, done.stdout) == (5, "status 502\n")
    findings = {finding["code"]: finding["message"] for finding in report(tmp_path)["checks"]["findings"]}
    assert "cannot connect" in findings["no_answer"]
    assert table(tmp_path, "tasks")["ok"].tolist() == [False]


def test_an_agent_that_ignores_the_variables_is_told_what_to_do(tmp_path):
    codex = tmp_path / "codex"
    codex.symlink_to(shutil.which("sleep"))
    done = recorded(tmp_path, [str(codex), "0.1"], "http://127.0.0.1:9/v1")
    assert done.returncode == 0
    (message,) = [
        finding["message"]
        for finding in report(tmp_path)["checks"]["findings"]
        if finding["code"] == "no_model_call"
    ]
    assert "openai_base_url" in message
    assert "--agent codex" in message


def test_without_the_proxy_the_agent_gets_its_own_addresses(tmp_path, endpoint, node):
    done = recorded(tmp_path, node, endpoint.base_url, "--proxy", "off")
    assert done.returncode == 3
    assert table(tmp_path, "model_calls").empty
    show = ["sh", "-c", "echo $OPENAI_BASE_URL $PYTHONPATH"]
    (tmp_path / "two").mkdir()
    apart = recorded(tmp_path / "two", show, "http://u/v1", "--inject", "none", "--proxy", "off")
    assert apart.stdout == f"http://u/v1 {HOME}\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--proxy", "maybe"], "'maybe' @ --proxy"),
        (["--inject", "some"], "'some' @ --inject"),
        (["--agent", "nobody"], "'nobody' @ --agent"),
        (["--agent", "codex", "--proxy", "off"], "'off' @ --proxy"),
    ],
)
def test_what_cannot_be_asked(tmp_path, options, said):
    done = recorded(tmp_path, ["true"], "", *options)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not (tmp_path / "run").exists()
