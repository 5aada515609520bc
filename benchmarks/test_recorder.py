"""What a span costs: ours beside the OpenTelemetry SDK's, in one run, with three attributes and nothing exported.

Ours measures wall and thread CPU and writes its log; theirs measures wall and hands the span to a batch processor
whose exporter does nothing. The figure to compare is the ratio of the two in the same group.
"""

import asyncio
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import orchprof
from orchprof.record import recorder

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
    with orchprof.span("step", model="m", step=k, cached=False):
        pass


def otel_span(tracer, k):
    with tracer.start_as_current_span("step", attributes={"model": "m", "step": k, "cached": False}):
        pass


def repeat(span):
    for k in range(SPANS):
        span(k)


async def in_tasks(span):
    async def one():
        for k in range(SPANS // TASKS):
            span(k)
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(TASKS)))


@pytest.mark.benchmark(group="1,000 spans with 3 attributes, sync")
def test_sync_orchprof(benchmark, recording):
    benchmark(repeat, our_span)


@pytest.mark.benchmark(group="1,000 spans with 3 attributes, sync")
def test_sync_opentelemetry(benchmark, tracer):
    benchmark(repeat, lambda k: otel_span(tracer, k))


@pytest.mark.benchmark(group="1,000 spans with 3 attributes, across await in 100 tasks")
def test_async_orchprof(benchmark, recording):
    benchmark(lambda: asyncio.run(in_tasks(our_span)))


@pytest.mark.benchmark(group="1,000 spans with 3 attributes, across await in 100 tasks")
def test_async_opentelemetry(benchmark, tracer):
    benchmark(lambda: asyncio.run(in_tasks(lambda k: otel_span(tracer, k))))
