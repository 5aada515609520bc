"""Real frameworks' unmodified agents: what is recorded of them is what their tools and the endpoint counted."""

from collections import Counter

MOST_UNEXPLAINED = 0.03


def test_the_run_seals_and_no_hook_gave_up(recorded):
    assert [found for found in recorded.findings if found.code == "hook_disabled"] == []


def test_one_task_of_the_agents_name(bench, recorded):
    assert recorded.tables["tasks"]["name"].tolist() == [bench.agent.task]
    assert recorded.tables["tasks"]["end_ns"].notna().all()


def test_tool_calls_are_those_that_the_tools_counted(bench, recorded):
    spans = recorded.tables["spans"]
    tools = spans[spans["role"] == "tool"]
    assert recorded.tools.total() >= 2
    behind = bench.agent.behind
    expected = Counter({behind: recorded.tools.total()}) if behind else recorded.tools
    assert Counter(tools["name"]) == expected + Counter(bench.agent.tools)
    assert tools["task"].notna().all()


def test_model_calls_are_those_that_the_endpoint_counted(recorded):
    calls = recorded.tables["model_calls"]
    assert recorded.requests >= 2
    assert len(calls) == recorded.requests
    assert calls["task"].notna().all()


def test_every_model_call_is_under_a_client_span_of_the_framework(recorded):
    spans = recorded.tables["spans"].set_index("span")
    under = recorded.tables["model_calls"]["span"]
    assert (spans.loc[under.tolist(), "role"] == "client").all()


def test_steps_are_there(bench, recorded):
    spans = recorded.tables["spans"]
    assert set(spans.loc[spans["role"] == "framework", "name"]) >= bench.agent.steps


def test_nearly_nothing_is_unexplained(recorded):
    assert recorded.record["checks"]["unexplained_share"] < MOST_UNEXPLAINED
    assert recorded.record["shares"]["orchestration"]["cp"] > 0


def test_the_program_says_the_same_without_a_recording(bench, recorded):
    alone = bench.alone()
    assert recorded.out == alone.out
    assert (recorded.tools, recorded.requests) == (alone.tools, alone.requests)


def test_time_needs_no_labels(bench):
    bare = bench.without_labels()
    assert set(bare.tables["spans"]["role"]) <= {"client"}
    assert bare.record["latency_s"]["mean"] > 0
    assert bare.record["shares"]["host"]["cp"] > 0
    assert bare.record["shares"]["orchestration"] is None
    assert len(bare.tables["model_calls"]) == bare.requests
