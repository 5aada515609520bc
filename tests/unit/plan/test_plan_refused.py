"""Plans: what is refused, and in which words."""

from dataclasses import replace

import pytest
from plan_runs import BOOK, HOSTED, MACHINE, SMALL, asked, best, made, slos

from orchprof.errors import OrchprofError, RunError, UsageError
from orchprof.plan.demand import demand
from orchprof.plan.fleet import Layout, kinds
from orchprof.plan.laws import Traffic
from orchprof.plan.question import Question, Target, check
from orchprof.plan.rate_limits import check_names, read
from orchprof.plan.search.refusal import no_fleet_meets_slo
from orchprof.prices.price import Book


def test_a_memory_that_no_machine_has():
    question = asked()
    heavy = replace(question.demands[0], base_bytes=90.0 * 2**30)
    with pytest.raises(OrchprofError, match=r"no machine has the memory, 90\.0 GiB"):
        best(replace(question, demands=(heavy,)))


def test_an_impossible_limit_says_the_bound():
    with pytest.raises(OrchprofError, match=r"p95 < 0\.05 s @ --slo.*takes 0\.0\d+ s at p95"):
        best(asked(slo="p95=50ms"))


def test_a_limit_on_what_no_run_has_called():
    silent = made(model=HOSTED)
    with pytest.raises(UsageError, match=r"no run has called a model, model\.calls @ --limit"):
        check_names(read(["model.calls_per_min=6"]), [silent.tables])
    with pytest.raises(UsageError, match=r"no call of a run states its tokens, model\.tokens @ --limit"):
        check_names(read(["model.tokens_per_min=6"]), [silent.tables])
    with pytest.raises(UsageError, match="unknown tool"):
        check_names(read(["search.calls_per_s=6"]), [silent.tables])
    check_names(read(["model.calls_per_min=6"]), [silent.tables, made(call=40, model=HOSTED).tables])


def test_machines_and_models_are_not_mixed():
    one, other = demand(made()), demand(made(meta={"machine": MACHINE | {"cpu_model": "another"}}))
    with pytest.raises(RunError, match="measured on different machines, another and some"):
        check(Question((one, other), Target((1.0,), slos("p95=5s")), Layout()))
    two = [demand(made(call=40, model=f"paced:llama-3.1-8b@{chip}")) for chip in ("h100-sxm", "h200-sxm")]
    with pytest.raises(RunError, match="different models"):
        check(Question(tuple(two), Target((1.0,), slos("p95=5s")), Layout()))


def test_too_few_tasks_say_how_many():
    with pytest.raises(RunError, match=r"too few tasks, 4 @ made.*run it with --tasks 5"):
        check(asked(made(tasks=4, model=HOSTED)))
    recorded = made(tasks=4, model=HOSTED, params={"tasks": None})
    with pytest.raises(RunError, match="record 5 or more"):
        check(asked(recorded))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rate": None}, "nothing to plan for"),
        ({"users": 3}, "give --rate or --users"),
        ({"arrivals": "sometimes"}, "unknown arrivals"),
        ({"confidence": 1.0}, "not a confidence"),
        ({"layout": Layout("sequential")}, "unknown mode"),
    ],
)
def test_questions_that_cannot_be(change, says):
    with pytest.raises(UsageError, match=says):
        check(asked(**change))


def test_a_machine_that_nobody_sells():
    with pytest.raises(UsageError, match="no price for it: unknown machine"):
        kinds(BOOK, ["x/smal"], None)


def test_no_machine_for_the_model():
    only = Book({}, {SMALL.name: SMALL})
    with pytest.raises(OrchprofError, match=r"no machine for the model, 1 x h100-sxm"):
        kinds(only, (), demand(made(call=40)).model)


def test_hosts_named_alone_leave_the_accelerators_to_us():
    found = kinds(BOOK, ["x/small"], demand(made(call=40)).model)
    assert [(kind.host.name, kind.accelerator.name) for kind in found] == [("x/small", "x/gpu")]


def test_why_no_number_of_machines_holds_it():
    # 84 ms at most, in the tasks that take longest, of which a heavy sample has more than the limit leaves room for.
    question = asked(slo="mean=85ms")
    assert "heavy sample of the 20" in str(no_fleet_meets_slo(question, Traffic(20.0), "these machines"))
    said = str(no_fleet_meets_slo(asked(slo="mean=2s"), Traffic(20.0), "these machines"))
    assert "no number of these machines holds it, mean < 2 s at 20 tasks/s @ --slo" in said
    assert "0.06 s of it CPU" in said
    assert "allow more time" in said
