"""The tables of a run and their columns, declared once.

Every time is integer nanoseconds of CLOCK_MONOTONIC. A nullable column uses pandas' `Int64`, `boolean` or
`string`; null means "not reported", never 0. Strand, span and call ids are unique within a run.
"""

from typing import Final

from orchprof.capture import strands

VERSION: Final = 1
HISTORY: Final = {1: "first: tasks, strands, segments, edges, spans, model_calls, samples"}

# Above this share of latency, what is unexplained makes a range of every share.
UNEXPLAINED_LIMIT: Final = 0.05
# Below this, nobody asks who made a wait last.
FELT_NS: Final = 1_000_000

ROLES: Final = strands.ROLES
STATES: Final = (
    "cpu", "gc", "serialise", "runq", "gil", "loop_lag", "pool_wait", "wakeup", "net", "file", "child", "lock",
    "sleep", "timeout", "startup", "queue", "prefill", "decode", "frontend", "off", "self", "unexplained",
)  # fmt: skip
STRAND_KINDS: Final = ("thread", "task", "job", "coroutine", "child", "remote")
# What is counted of a segment, in ns.
COUNTERS: Final = ("cpu_ns", "gc_ns", "profiler_ns", "runq_ns", "gil_ns", "lag_ns")
EDGE_KINDS: Final = ("spawn", "wake", "join", "timeout", "release", "put", "take")
PROVENANCES: Final = ("measured", "reported", "modelled", "client_only")
GRANULARITIES: Final = ("request", "aggregate")

TABLES: Final[dict[str, dict[str, str]]] = {
    "tasks": {
        "task": "int64",  # equals the id of the task's root strand
        "name": "string",
        "index": "Int64",  # which of the workload's inputs this was
        "start_ns": "int64",
        "due_ns": "Int64",  # when an open loop meant it to start; null: nobody set a time
        "end_ns": "Int64",  # null: never finished
        "ok": "boolean",  # null: nobody judged the answer
        "reason": "string",  # why it failed
        "timed_out": "boolean",
        "warmup": "boolean",  # measured, but discarded from every statistic
    },
    "strands": {
        "strand": "int64",
        "kind": "string",  # STRAND_KINDS
        "parent": "Int64",  # the strand that spawned it
        "task": "Int64",
        "pid": "int64",
        "name": "string",
        "start_ns": "int64",  # the instant of the spawn: waiting to be run for the first time counts
        "end_ns": "Int64",  # null: still alive when the log ended
        "peak_rss_bytes": "Int64",  # of a child process that was reaped, or of its largest descendant
        "pool": "Int64",  # of a job: the pool of threads that it was handed to, where that is known
        "workers": "Int64",  # how many threads that pool may have
    },
    # The tiles: per strand, in order, without gap or overlap between start_ns and end_ns of the strand.
    # A remote strand has no segments: its tiles come from its row in model_calls.
    "segments": {
        "strand": "int64",
        "start_ns": "int64",
        "end_ns": "int64",
        "role": "string",  # ROLES
        "span": "Int64",  # the innermost span open on the strand
        "join": "bool",  # it waited for other strands: the join edges with dst = strand, at_ns = end_ns
        "cpu_state": "string",  # the state that cpu_ns counts as: cpu, serialise or startup
        "wait_state": "string",  # the state of what is left of the wall; null: nothing told it apart
        "cpu_ns": "int64",  # includes gc_ns and profiler_ns
        "gc_ns": "int64",
        "profiler_ns": "int64",  # orchprof's own cost in it
        "runq_ns": "int64",
        "gil_ns": "int64",  # ready to run, but another thread held the interpreter, as seen from outside
        "lag_ns": "int64",  # ready to run, but its event loop was busy
        "thread": "Int64",  # on which it was; null while it was on none, as between the steps of a loop
        "natural_end_ns": "Int64",  # of a wait that its time-out ended: when it would have ended by itself
        "limit_ns": "Int64",  # and when that time-out was set
        "fallback": "boolean",  # done while a time-out was being handled: without it, not at all
    },
    # timeout: dst gave up waiting for src, which went on; release: src let go of a unit of dst, no strand;
    # put, take: src put an item into the queue dst, or took it
    "edges": {
        "kind": "string",  # EDGE_KINDS; spawn src -> dst; join: dst waited for src; wake: src made dst ready
        "src": "int64",
        "dst": "int64",
        "at_ns": "int64",
        "units": "Int64",  # of a release: how many there are; of a put or a take: which item, from 0
    },
    "spans": {
        "span": "int64",
        "parent": "Int64",
        "strand": "int64",
        "task": "Int64",
        "role": "string",
        "name": "string",
        "start_ns": "int64",
        "end_ns": "Int64",
        "error": "string",  # the type of the exception that left it
        "attributes": "string",  # JSON object, or null
    },
    "model_calls": {
        "strand": "int64",  # the remote strand
        "span": "Int64",
        "task": "Int64",
        "provenance": "string",  # PROVENANCES
        "granularity": "string",  # GRANULARITIES
        "server": "string",  # which clock was read
        "model": "string",
        "stream": "boolean",
        "status": "Int64",  # HTTP status; null: no answer
        "error": "string",
        "input_tokens": "Int64",  # of the whole prompt, whatever of it a cache held
        "output_tokens": "Int64",  # all that was generated
        "cached_tokens": "Int64",  # of the input: read from a cache
        "cache_write_tokens": "Int64",  # of the input: written to a cache
        "cache_write_1h_tokens": "Int64",  # of those written: kept for an hour
        "reasoning_tokens": "Int64",  # of the output
        "sent_ns": "int64",  # connected, the request begins to leave: the remote strand starts
        "headers_ns": "Int64",
        "first_token_ns": "Int64",
        "end_ns": "Int64",  # the last byte is here: the remote strand ends
        "queue_ns": "Int64",  # the server's own account, as durations
        "prefill_ns": "Int64",
        "decode_ns": "Int64",
        "total_ns": "Int64",
        "decisions": "string",  # scripted or model, where the server says
        "accelerator_ns": "Int64",  # this request's share of every step, x accelerators
    },
    # One process's own counters, about twice a second and at each task's start and end.
    "samples": {
        "pid": "int64",
        "parent": "Int64",  # the process that started it, where it was seen or said
        "at_ns": "int64",
        "cpu_ns": "int64",  # user + system of the process
        "children_cpu_ns": "int64",  # of its reaped descendants
        "rss_bytes": "Int64",
        "task": "Int64",  # set at a task's start and end
    },
}

# Columns that came later within this version: a run that was written without them has nulls there.
ADDED: Final[dict[str, tuple[str, ...]]] = {
    "strands": ("pool", "workers"),
    "edges": ("units",),
    "segments": ("thread", "natural_end_ns", "limit_ns", "fallback"),
    "model_calls": ("cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens"),
}
