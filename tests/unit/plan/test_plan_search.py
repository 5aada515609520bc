"""Plans: the cheapest machines that hold, what binds, and the faults other planners are known for."""

from dataclasses import replace

import pytest
from plan_runs import BOOK, HOSTED, LARGE, MACHINE, SMALL, asked, best, counts, machine, made, plan, slos

from orchprof import report
from orchprof.contract.schema.validation import validate
from orchprof.errors import OrchprofError, UsageError
from orchprof.plan.calibration import Calibration
from orchprof.plan.demand import demand
from orchprof.plan.fleet import Fleet, Kind, Layout, kinds, slots
from orchprof.plan.laws import Traffic, at_least
from orchprof.plan.question import Question, Target, Tokens, check, mixed
from orchprof.plan.rate_limits import read
from orchprof.plan.search.rig import FULL, MEAN
from orchprof.plan.search.search import Search, cheapest, in_proportion
from orchprof.plan.search.trial import trial
from orchprof.prices.price import Book


def test_the_cheapest_cores_that_hold():
    # 20 tasks/s x 60 ms = 1.2 cores busy: one machine of two cores.
    question = asked()
    found = best(question)
    assert counts(found) == {"x/small": 1}
    assert found.figures["throughput_per_s"].value == pytest.approx(20, rel=0.15)
    assert found.busy["cores"] == pytest.approx(0.6, rel=0.2)
    assert found.figures["p95_s"].interval[1] < 2


def test_cpu_bound_work_beside_an_idle_accelerator_gets_cores_not_accelerators():
    # 500 core-ms and one small model call a task: 40 tasks/s take 24 cores, and a part of one accelerator.
    run = made(cpu=20, child=480, call=40)
    found = best(asked(run, rate=40.0, slo="p95=5s"))
    assert found.fleet.replicas == 1
    cores = found.fleet.hosts * found.fleet.kind.host.vcpus
    assert 24 <= cores <= 48
    assert not found.fleet.kind.is_together
    record = plan(asked(run, rate=40.0, slo="p95=5s"), kinds(BOOK, (), asked(run).model))
    assert record["binding"] == "cores"
    assert record["headroom"]["accelerator"] > 0.5
    assert record["cores_per_accelerator"]["busy"] == pytest.approx(24, rel=0.05)
    assert record["cores_per_accelerator"]["binds"] is True


def test_a_saturated_point_is_not_dropped():
    # 60 ms of CPU at 50/s on two cores is a load of 1.5: the backlog grows, and no sample of it looks like an answer.
    question = asked(rate=50.0, slo="p95=1000s")
    found = trial(question, Fleet(Kind(SMALL, None), 1), Traffic(50.0), MEAN)
    assert found.saturated
    assert not found.is_near
    assert counts(best(question))["x/small"] >= 2


def test_cores_are_never_planned_to_be_always_busy():
    # 100/s x 60 ms keep six cores busy: of just six the backlog grows, if not beyond 2 s in a few seconds.
    single = machine("x/single", 1, "0.05")
    found = best(asked(rate=100.0), Book({}, {single.name: single}))
    assert found.fleet.hosts >= 7
    assert found.busy["cores"] < 0.95
    # One process of threads ends 16 of 60 ms a second: at 16/s its interpreter is always held.
    question = asked(layout=Layout("threads", 1), rate=16.5, slo="p95=1000s")
    assert not trial(question, Fleet(Kind(LARGE, None), 1), Traffic(16.5), FULL).is_near


def test_a_fleet_that_fills_is_not_taken_for_a_saturated_one():
    # Batches make a task twice as long as it is alone: a warm-up of as many as come in that time would be too short.
    question = asked(made(cpu=5, call=150), rate=400.0, slo="p95=1000s", arrivals="constant")
    found = trial(question, Fleet(Kind(LARGE, None), 4, 4, 4), Traffic(400.0), MEAN)
    assert not found.saturated
    assert found.figures["throughput_per_s"].value == pytest.approx(400.0, rel=0.1)


def test_more_never_costs_less():
    prices = [float(best(asked(rate=rate)).fleet.usd_per_hour) for rate in (10.0, 60.0, 240.0)]
    assert prices == sorted(prices)
    assert prices[2] > prices[0]


def test_bounds_come_from_the_utilisation_law():
    # 100/s x 60 ms = 6 cores, 6.9 where they may be 8 % slower and are 95 % busy: four machines of two, or one of 16.
    question = asked(rate=100.0)
    assert at_least(question, Kind(SMALL, None), Traffic(100.0)).hosts == 4
    assert at_least(question, Kind(LARGE, None), Traffic(100.0)).hosts == 1


def test_a_faster_core_is_fewer_cores():
    twice = Calibration(2 * MACHINE["core_speed"], 2 * MACHINE["core_speed"], 2.0)
    plain, fast = asked(rate=100.0), asked(rate=100.0, calibration=twice)
    assert at_least(fast, Kind(SMALL, None), Traffic(100.0)).hosts == 2
    assert at_least(plain, Kind(SMALL, None), Traffic(100.0)).hosts == 4


def test_the_search_tries_few_of_many():
    book = Book({}, {f"x/{n}": machine(f"x/{n}", n, 0.05 * n + 0.001 * (n % 7)) for n in range(1, 101)})
    search = Search(asked(rate=100.0), Traffic(100.0))
    cheapest(search, kinds(book, (), None))
    assert search.considered == 100
    assert search.tried <= 40


def test_memory_binds():
    big = made(cpu=5, net=900, model=HOSTED)
    question = asked(big, rate=20.0, slo="p95=3s")
    heavy = replace(question.demands[0], base_bytes=3.0 * 2**30)
    found = plan(replace(question, demands=(heavy,)), kinds(BOOK, ["x/small"], None))
    assert found["binding"] == "memory"
    # 22 tasks in flight, 3 GiB each, 57.6 GiB a machine: at least two.
    assert found["machines"][0]["count"] >= 2


def test_threads_are_bound_by_their_interpreter():
    # 50-60 ms under one lock: one process ends 16 a second at most, whatever its cores.
    question = asked(layout=Layout("threads", 1), rate=40.0)
    found = best(question, names=["x/large"])
    assert found.fleet.hosts >= 3
    record = plan(question, kinds(BOOK, ["x/large"], None))
    assert record["binding"] == "interpreter"


def test_latency_itself_binds():
    equal = Calibration(MACHINE["core_speed"], MACHINE["core_speed"], 2.0)
    record = plan(asked(slo="p95=103ms", rate=1.0, calibration=equal), kinds(BOOK, ["x/large"], None))
    assert record["binding"] == "latency"


def test_a_rate_limit_binds():
    run = made(call=40, model=HOSTED)
    question = asked(run, rate=2.0, quotas=tuple(read(["model.tokens_per_min=6000"])))
    with pytest.raises(OrchprofError, match=r"a limit binds, 2 tasks/s ask for 440 model\.tokens/s of 100"):
        best(question)
    slower = asked(run, rate=0.2, quotas=tuple(read(["model.tokens_per_min=6000"])), slo="p95=60s")
    assert best(slower).busy["model.tokens"] == pytest.approx(0.44, rel=0.01)
    # 0.45/s are 99 of 100 tokens/s: for a while that goes well, and no machine can make it last.
    full = asked(run, rate=0.45, quotas=tuple(read(["model.tokens_per_min=6000"])), slo="p95=1000s")
    with pytest.raises(OrchprofError, match=r"a limit binds.*0\.43\d* tasks/s at most"):
        best(full)


def test_no_figure_lies_below_a_task_alone():
    question = asked(rate=1.0, slo="p95=1s,p50=1s,mean=1s")
    figures = plan(question, kinds(BOOK, ["x/large"], None))["predicted"]
    for name, q in (("p50_s", 0.5), ("p95_s", 0.95), ("mean_s", None)):
        low, high = figures["interval"][name]
        assert question.no_load_at(q) <= low <= figures[name] <= high


def test_the_most_that_a_fleet_holds():
    # Two cores of 60 ms end 33 a second, 28.9 where they are 9 % slower and 95 % busy at most.
    record = plan(asked(rate=10.0), kinds(BOOK, ["x/small"], None))
    assert record["most"]["first"] == "cores"
    assert 20 < record["most"]["rate_per_s"] < 29
    assert record["most"]["headroom"] == pytest.approx(record["most"]["rate_per_s"] / 10 - 1)
    assert record["next_up"]["machines"][0]["count"] == record["machines"][0]["count"] + 1
    low, high = record["usd_per_hour_interval"]
    assert low <= record["usd_per_hour"] < high


def test_nothing_binds_the_least_machine_that_idles():
    record = plan(asked(rate=0.5), kinds(BOOK, ["x/small"], None))
    assert record["binding"] is None
    assert record["most"]["first"] == "cores"


def test_slots_that_memory_limits_are_not_hidden():
    # A worker holds 9 GiB: six on a machine. Tasks take a second: 4/s leave them 67 % busy, 6/s are too many.
    question = asked(made(cpu=5, net=900, model=HOSTED), rate=4.0, slo="p95=2s")
    heavy = replace(question, demands=(replace(question.demands[0], base_bytes=9.0 * 2**30),))
    record = plan(heavy, kinds(BOOK, ["x/small"], None))
    each = record["machines"][0]["count"]
    assert record["binding"] == "memory"
    assert record["most"]["first"] == "memory"
    assert record["predicted"]["utilisation"]["worker slots"] == pytest.approx(4 / (6 * each), rel=0.15)
    assert 0 <= record["headroom"]["memory"] <= 0.5


def test_users_by_the_hundred_thousand():
    # N / (think + response) tasks a second at 60 ms each: what they keep busy is the least there can be.
    question = asked(rate=None, users=200_000, think_s=10.0, slo="p95=1s")
    found = best(question, names=["x/large"])
    per_s = 200_000 / (10 + found.figures["p50_s"].value)
    assert found.figures["throughput_per_s"].value == pytest.approx(per_s, rel=0.1)
    assert found.fleet.hosts >= per_s * 0.06 / 16
    assert found.fleet.hosts <= 1.6 * per_s * 0.06 / 16
    with pytest.raises(UsageError, match="only users think"):
        check(asked(think_s=1.0))


def test_ten_thousand_a_second_take_no_more_simulations_than_ten():
    found = best(asked(rate=10_000.0), names=["x/large"])
    assert 10_000 * 0.06 / 16 < found.fleet.hosts <= 1.4 * 10_000 * 0.06 / 16
    assert found.part < 0.1


def test_tokens_are_part_of_a_task():
    paid = replace(asked(), tokens=Tokens(0.002))
    record = plan(paid, kinds(BOOK, (), None))
    assert record["usd_per_task_tokens"] == 0.002
    assert record["usd_per_task"] == pytest.approx(record["usd_per_hour"] / 72000 + 0.002)
    assert record["usd_per_task_machines"] == pytest.approx(record["usd_per_hour"] / 72000)
    unpriced = plan(replace(asked(), tokens=Tokens(None, "nobody sells it")), kinds(BOOK, (), None))
    assert (unpriced["usd_per_task"], unpriced["usd_per_task_tokens"]) == (None, None)
    assert unpriced["unpriced"] == [{"part": "tokens", "reason": "nobody sells it"}]
    report.validate(unpriced)


def test_tokens_of_a_mix():
    assert mixed([(Tokens(0.3), 3.0), (Tokens(0.1), 1.0)]).usd == pytest.approx(0.25)
    assert mixed([(Tokens(0.3), 3.0), (Tokens(None, "why"), 1.0)]) == Tokens(None, "why")


def test_users_instead_of_a_rate():
    found = best(asked(rate=None, users=8, slo="p95=1s"))
    # Eight users on two cores of 60 ms: 1 / 60 ms x 2 at most.
    assert found.figures["throughput_per_s"].value < 8 / 0.08
    assert found.in_flight == pytest.approx(8, rel=0.05)


def test_a_mix_is_weighted():
    light, heavy = (
        demand(made(cpu=10, net=0, model=HOSTED), 3.0),
        demand(made(cpu=90, net=0, model=HOSTED), 1.0),
    )
    question = Question((light, heavy), Target((10.0,), slos("p95=5s")), Layout())
    assert question.core_s == pytest.approx((3 * 0.012 + 0.108) / 4, rel=0.02)
    check(question)


def test_few_tasks_are_answered_with_a_wider_interval_and_a_finding():
    few, many = asked(made(tasks=12, model=HOSTED)), asked(made(tasks=20, model=HOSTED))
    found, other = (plan(each, kinds(BOOK, ["x/small"], None)) for each in (few, many))
    said = {each["code"]: each["message"] for each in found["findings"]}
    assert "12 tasks of made were measured, 20 tell" in said["few_tasks"]
    assert "few_tasks" not in {each["code"] for each in other["findings"]}


def test_slots_are_what_memory_holds():
    room = machine("x/m", 4, 1, memory=10.0)  # 9 GiB of it are used
    gib = float(2**30)
    assert slots(room, Layout(), 100, (2 * gib, gib)).tasks == 3
    assert slots(room, Layout("threads"), 100, (1 * gib, gib)).processes == 4
    assert slots(room, Layout("threads"), 100, (1 * gib, gib)).per_worker == 1
    assert slots(room, Layout("async", 1), 6, (1 * gib, gib)).per_worker == 6
    assert slots(room, Layout(), 100, (9 * gib, gib)) is None


def test_the_record_keeps_to_its_contract():
    question = asked(made(cpu=20, child=80, call=40), rate=10.0)
    record = plan(question, kinds(BOOK, (), question.model))
    report.validate(record)
    assert [row["rate_per_s"] for row in record["rates"]] == [5.0, 10.0, 20.0]
    assert [row["arrivals"] for row in record["burstiness"]] == ["constant", "poisson", "gamma"]
    assert record["usd_per_task"] == pytest.approx(record["usd_per_hour"] / 36000)
    assert any("CPU speed assumed equal" in said for said in record["assumptions"])
    assert any("MODELLED" in said for said in record["assumptions"])


def test_machines_in_proportion_to_a_rate():
    question = asked(rate=100.0)
    one = best(question, names=["x/small"])
    more = in_proportion(question, one, 3.0)
    # 300/s of 50 ms each keep 15 cores busy, which 8 machines of 2 have; never fewer than in proportion.
    assert more.fleet.kind.host.name == "x/small"
    assert more.fleet.hosts >= 3 * one.fleet.hosts >= 8
    assert more.is_near
    assert in_proportion(asked(rate=100.0, slo="p95=1ms"), one, 3.0) is None


def test_what_lies_beyond_the_measurement_is_said():
    record = plan(asked(rate=100.0), kinds(BOOK, ["x/large"], None))
    said = {each["code"]: each["message"] for each in record["findings"]}
    assert "times the" in said["extrapolated_rate"]


def test_a_limit_has_its_own_figure_under_its_own_name():
    record = plan(asked(rate=10.0, slo="p97.5=2s,mean=1s"), kinds(BOOK, ["x/small"], None))
    validate(record)
    for row in (record["predicted"], *record["rates"], *record["burstiness"]):
        assert row["mean_s"] <= row["p97.5_s"] <= 2
        assert "by_limit" not in row
    assert set(record["predicted"]["interval"]) == {"p50_s", "p95_s", "p97.5_s", "mean_s", "throughput_per_s"}
