"""What a span costs: ours beside the OpenTelemetry SDK's, in one run, with three attributes and nothing exported.

Ours measures wall and thread CPU and writes its log; theirs measures wall and hands the span to a batch processor
whose exporter does nothing. What a span costs is the difference to `bare`, the same program without spans; the figure
to compare is the ratio of the two differences in one group.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import orchprof
from orchprof.capture import recorder

SPANS = 1_000
TASKS = 100


class NoExporter(SpanExporter):
    def export(self, _spans):
        return SpanExportResult.SUCCESS


@pytest.fixture(scope="module")
def tracer():
    provider = TracerProvider()
    # A queue that holds everything: dropping spans would be cheaper than recording them.
    provider.add_span_processor(BatchSpanProcessor(NoExporter(), max_queue_size=1 << 20))
    yield provider.get_tracer("bench")
    provider.shutdown()


@pytest.fixture
def recording(tmp_path: Path):
    recorder.start(tmp_path)
    yield
    recorder.stop()


def our_span(k):
    return orchprof.span("step", model="m", step=k, cached=False)


@pytest.fixture
def otel_span(tracer):
    return lambda k: tracer.start_as_current_span(
        "step", attributes={"model": "m", "step": k, "cached": False}
    )


def one_after_the_other(span):
    for k in range(SPANS):
        with span(k):
            pass


async def nested(span, k):
    """Hold `k` spans open, one in the other, while the task waits for its next turn."""
    with span(k):
        await (nested(span, k - 1) if k else asyncio.sleep(0))


async def in_tasks(span):
    await asyncio.gather(*(nested(span, SPANS // TASKS - 1) for _ in range(TASKS)))


SYNC = "1,000 spans with 3 attributes, one after the other"
ASYNC = "1,000 spans with 3 attributes, held across an await in 100 tasks"


def no_span(_k):
    return contextlib.nullcontext()


@pytest.mark.benchmark(group=SYNC)
def test_sync_bare(benchmark):
    benchmark(one_after_the_other, no_span)


@pytest.mark.benchmark(group=SYNC)
def test_sync_orchprof(benchmark, recording):
    benchmark(one_after_the_other, our_span)


@pytest.mark.benchmark(group=SYNC)
def test_sync_opentelemetry(benchmark, otel_span):
    benchmark(one_after_the_other, otel_span)


@pytest.mark.benchmark(group=ASYNC)
def test_async_bare(benchmark):
    with asyncio.Runner() as runner:
        benchmark(lambda: runner.run(in_tasks(no_span)))


@pytest.mark.benchmark(group=ASYNC)
def test_async_orchprof(benchmark, recording):
    with asyncio.Runner() as runner:
        benchmark(lambda: runner.run(in_tasks(our_span)))


@pytest.mark.benchmark(group=ASYNC)
def test_async_opentelemetry(benchmark, otel_span):
    with asyncio.Runner() as runner:
        benchmark(lambda: runner.run(in_tasks(otel_span)))
