"""The console table: golden text, and what it must never let pass."""

import copy
import re

import pytest
from support import render

from orchprof import report


def bench(*reports):
    return {"schema": "orchprof.bench/1", "reports": list(reports), "claim": None, "cost": []}


def cells(text, label):
    line = next(line for line in text.splitlines() if line.startswith(label))
    return line.split()


def other(record, **run):
    changed = copy.deepcopy(record)
    changed["run"].update(run)
    return changed


def test_golden_table(rag, golden):
    swe = other(rag, workload="swe", variant=None, model={"spec": "llama:default", "provenance": "measured"})
    swe["checks"]["findings"] = []
    swe["tasks"] = {"n": 10, "ok": 10, "failed": 0, "timed_out": 0}
    assert render(bench(rag, swe), "console") == golden("table.txt")


def test_golden_details(rag, golden):
    assert render(rag, "console", details=True) == golden("details.txt")


def test_lines_fit_a_terminal(rag):
    for text in (
        render(bench(rag, rag, rag), "console"),
        render(rag, "console", details=True),
    ):
        assert max(map(len, text.splitlines())) <= 80


def test_words_of_the_analysis_stay_out_of_the_table(rag):
    words = re.findall(r"[a-z]+", render(rag, "console").lower())
    assert not {"cp", "strand", "host"} & set(words)


def test_rendering_leaves_the_record_alone(rag):
    before = copy.deepcopy(rag)
    render(rag, "console", details=True)
    render(rag, "json")
    assert rag == before


def test_modelled_time_is_marked_wherever_it_stands(rag):
    text = render(rag, "console", details=True)
    assert "MODELLED" in text.splitlines()[1]
    assert cells(text, "rag/haystack")[6] == "~18%"
    details = text.split("== rag/haystack")[1]
    assert re.search(r"model +decode +~258 ms", details)
    assert re.search(r"decode +~117 ms", details)
    assert re.search(r"accelerator +~210 ms", details)
    assert not re.search(r"(?<!~)(258|117|210) ms", details)


def test_a_call_that_holds_modelled_time_is_marked_and_its_network_is_not(rag):
    rag["by_name"][0]["role"] = "client"  # what a call to the model is called from the agent's side
    rag["ledger"].append(dict.fromkeys(rag["ledger"][0], 0.003))
    rag["ledger"][-1] |= {"role": "model", "state": "net"}
    details = render(rag, "console", details=True).split("== rag/haystack")[1]
    assert re.search(r"client +chat +2 +~258 ms +~250 ms +-", details)
    assert re.search(r"model +net +3 ms", details)
    assert re.search(r"tool +search_docs +4 +1.12 s", details)


def test_what_the_header_says_is_no_note(rag):
    finding = {"code": "modelled", "message": "model time is modelled", "remedy": None}
    rag["checks"]["findings"] = [finding]
    assert "Note" not in render(rag, "console")
    assert "modelled: model time is modelled" in render(rag, "console", details=True)


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ("measured", "model time MEASURED"),
        ("reported", "model time REPORTED by its server"),
        ("client_only", "model time SEEN FROM THE CLIENT only"),
        (None, "no model time"),
    ],
)
def test_measured_time_is_not_marked(rag, provenance, said):
    rag["run"]["model"] = {"spec": "m", "provenance": provenance}
    text = render(rag, "console")
    assert said in text
    assert "~" not in text


def test_modelled_time_without_a_band_says_so(rag):
    del rag["run"]["model"]["band"]
    assert "MODELLED (~, band unknown)" in render(rag, "console")


def test_model_that_takes_no_time(rag):
    rag["run"]["model"]["spec"] = "zero"
    assert "zero, a model that takes no time" in render(rag, "console")


def test_plus_minus_is_the_larger_side(rag):
    rag["shares"]["host"]["ci95"] = [0.80, 0.85]  # 1 below 81 %, 4 above
    assert "81% +-4" in render(rag, "console")
    rag["shares"]["host"]["ci95"] = [0.806, 0.812]
    assert "81% +-<1" in render(rag, "console")
    rag["shares"]["host"]["ci95"] = None
    assert "+-" not in render(rag, "console")


def test_much_unexplained_time_turns_shares_into_ranges(rag):
    rag["shares"]["unexplained"]["cp"] = 0.06
    row = cells(render(rag, "console"), "rag/haystack")
    # 1 + 6, 80 + 6, 0 + 6, 18.4 + 6 and 81 + 6 percent
    assert row[3:8] == ["1-7%", "80-86%", "0-6%", "~18-24%", "81-87%"]


def test_a_little_unexplained_time_does_not(rag):
    rag["shares"]["unexplained"]["cp"] = 0.05
    assert cells(render(rag, "console"), "rag/haystack")[3:5] == ["1%", "80%"]


def test_ranges_end_at_the_whole(rag):
    rag["shares"]["unexplained"]["cp"] = 0.3
    assert "81-100%" in render(rag, "console")


def test_shares_nobody_could_tell_apart_are_not_zero(rag):
    for name in ("orchestration", "tool_local", "tool_wait"):
        rag["shares"][name] = None
    text = render(rag, "console", details=True)
    waits = rag["shares"]["not_model"]["cp"] - rag["shares"]["host"]["cp"]
    # Waits are told from work all the same; whose they are is not.
    assert cells(text, "rag/haystack")[3:6] == ["-", "-", f"{waits * 100:.0f}%"]
    assert re.search(r"orchestration +- +- +- +- +not told apart", text)


def test_a_run_without_finished_tasks(rag):
    rag["tasks"] |= {"n": 0, "ok": 0, "failed": 0, "timed_out": 0, "unfinished": 0, "warmup": 0}
    rag["latency_s"] = dict.fromkeys(rag["latency_s"]) | {"n": 0}
    rag["shares"] = dict.fromkeys(rag["shares"])
    rag["checks"] |= {"conservation_error_s": None, "unexplained_share": None, "overhead_share": None}
    rag["ledger"] = rag["by_name"] = []
    report.validate(rag)
    text = render(rag, "console", details=True)
    assert cells(text, "rag/haystack") == ["rag/haystack", *"------", "1.15", "0/0"]
    assert "0/0 correct" in text


def test_nothing_measured():
    assert render(bench(), "console") == "nothing was measured\n"


def test_trust_shows_the_worst_run(rag):
    bad = other(rag, workload="swe")
    bad["checks"] |= {"conservation_error_s": 3e-3, "unexplained_share": 0.04, "overhead_share": 0.0002}
    text = " ".join(render(bench(rag, bad), "console").split())
    assert "OFF BALANCE by 3.0 ms | unexplained 4.0% | own overhead 0.3%" in text
    assert "18/20 correct" in text


def test_runs_of_one_name_are_numbered(rag):
    text = render(bench(rag, other(rag, workload="swe"), rag), "console")
    assert "3 runs of 2 workloads x 10 tasks" in text
    assert [line.split("  ")[0] for line in text.splitlines()[5:8]] == [
        "rag/haystack #1",
        "swe/haystack",
        "rag/haystack #2",
    ]


def test_one_finding_of_several_runs_is_said_once(rag):
    text = " ".join(render(bench(rag, other(rag, workload="swe")), "console").split())
    assert text.count("could not be told apart") == 1
    assert "rag/haystack, swe/haystack: waiting for a core" in text


def test_every_load_and_size_is_in_the_header(rag):
    busy = other(rag, params={"concurrency": 4, "mode": "threads"})
    busy["tasks"]["n"] = 12
    header = " ".join(render(bench(rag, busy), "console").split("\n\n")[0].split())
    assert "x 10-12 tasks" in header
    assert "one at a time (sequential)" in header
    assert "4 at a time (threads)" in header


def test_each_task_on_request(rag):
    task = {"task": 7, "ok": False, "latency_s": 1.4, "ledger": rag["ledger"], "shares": rag["shares"]}
    rag["per_task"] = [task]
    text = render(rag, "console")
    row = text.splitlines()[-1].split()
    assert row == ["7", "1.4", "s", "1%", "80%", "0%", "~18%", "81%", "FAILED"]
