"""The clocks of Ollama and Groq: their units, and what they leave out."""

from orchprof import clocks

OLLAMA = {
    "model": "llama3.2", "total_duration": 600_000_000, "load_duration": 100_000_000, "prompt_eval_count": 26,
    "prompt_eval_duration": 150_000_000, "eval_count": 12, "eval_duration": 300_000_000,
}  # fmt: skip
GROQ = {
    "queue_time": 0.1, "prompt_tokens": 23, "prompt_time": 0.05, "completion_tokens": 19, "completion_time": 0.2,
    "total_tokens": 42, "total_time": 0.25,
}  # fmt: skip


def test_ollama_is_in_nanoseconds_and_says_nothing_of_its_queue():
    assert clocks.read(OLLAMA, {}) == clocks.Clock(
        server="ollama",
        provenance="reported",
        prefill_ns=150_000_000,
        decode_ns=300_000_000,
        total_ns=600_000_000,
    )


def test_groq_is_in_seconds_and_its_total_leaves_out_the_queue():
    clock = clocks.Clock(
        server="groq",
        provenance="reported",
        queue_ns=100_000_000,
        prefill_ns=50_000_000,
        decode_ns=200_000_000,
        total_ns=350_000_000,
    )
    assert clocks.read({"usage": GROQ, "x_groq": {"id": "r"}}, {}) == clock
    assert clocks.read({"usage": None, "x_groq": {"id": "r", "usage": GROQ}}, {}) == clock


def test_without_its_queue_groqs_total_is_not_known():
    clock = clocks.read({"usage": GROQ | {"queue_time": None}}, {})
    assert (clock.queue_ns, clock.total_ns, clock.decode_ns) == (None, None, 200_000_000)


def test_tokens_alone_are_no_clock():
    assert clocks.read({"usage": {"prompt_tokens": 1}, "eval_count": 3, "x_groq": 4}, {}) is None
