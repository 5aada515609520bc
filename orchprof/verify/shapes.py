"""The shapes: which programs there are, what each of them does, what must be found of it, and what it needs."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from orchprof.errors import UsageError
from orchprof.run import machine
from orchprof.verify.accuracy import (
    BUSY,
    CHILD_LIMIT,
    CPU,
    CPU_LIMIT,
    GIL_LIMIT,
    SAMPLED_LIMIT,
    WAIT_LIMIT,
    Label,
    agent,
    agent_cpu,
    core,
    latency,
    model,
    of,
    sampled,
    tool,
    unexplained,
)

# Not checked anywhere, and why.
LEFT_OUT: Final = {"file": "no wait on a file of known length can be made without a slow disk"}
_KIT: Final = ("kit:compute", "kit:doze", "kit:use", "kit:asks")
_TRUTH: Final = (
    "fetch", "locked", "collect", "contend", "nap", "call", "block", "child", "opaque", "script", "job",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """Something that agents do, in a line, what must be found of it, and without what it cannot be made.

    Attributes:
        name: the shape's, as its program and `--shape` call it.
        says: what happens, in a line.
        labels: what is checked.
        needs: packages as `package NAME`, programs as `NAME`, `N cores`, or `Python 3.N`.
    """

    name: str
    says: str
    labels: tuple[Label, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A file of `programs/` with shapes, each a task; one that is `alone` is recorded by itself, all of it one task.

    Attributes:
        name: the file's, without its ending.
        shapes: in the order in which they run.
        task_from: what is a task of it.
        tools: functions that are tools.
        code: how it ends, as a shell says it.
    """

    name: str
    shapes: tuple[Shape, ...]
    task_from: str = "kit:agent"
    tools: tuple[str, ...] = _KIT
    code: int = 0


def _shape(name: str, says: str, *labels: Label, needs: tuple[str, ...] = ()) -> Shape:
    return Shape(name, says, of(name, *labels), needs)


def _timed(name: str, says: str, *labels: Label, needs: tuple[str, ...] = ()) -> Shape:
    return _shape(name, says, *labels, latency(), needs=needs)


def _family(name: str, says: str, *labels: Label, needs: tuple[str, ...] = ()) -> Shape:
    return _timed(name, says, *labels, core(), needs=needs)


def _rs(who: str, what: str, limit: float, *states: str) -> Label:
    return tool(who, what, *states, limit=limit, measure="rs")


def _agent_rs(what: str, limit: float, *states: str) -> Label:
    return Label("", "agent", what, limit, "framework", states or (what,))


_BASIC: Final = Program(
    "truth",
    (
        _timed(
            "sync",
            "one thing after the other",
            _agent_rs("cpu", CPU_LIMIT, *CPU),
            _rs("compute", "cpu", CPU_LIMIT, *CPU),
            _rs("collect", "gc", CPU_LIMIT),
            _rs("doze", "sleep", WAIT_LIMIT),
            _rs("fetch", "net", WAIT_LIMIT),
        ),
        _timed(
            "model",
            "one answer of a model, read as it is written",
            *(
                Label("", "model", phase, WAIT_LIMIT, "model", (phase,))
                for phase in ("queue", "prefill", "decode")
            ),
            Label("", "model", "all", WAIT_LIMIT, None, owner="stub", measure="cp"),
        ),
        _timed(
            "threads",
            "waits side by side, then computing side by side",
            _agent_rs("sleep", WAIT_LIMIT),
            _rs("locked", "lock", WAIT_LIMIT),
            _rs("doze", "sleep", WAIT_LIMIT),
            _rs("fetch", "net", WAIT_LIMIT),
            _rs("contend", "cpu", CPU_LIMIT, *CPU),
            _rs("contend", "gil", GIL_LIMIT),
        ),
        _timed(
            "loop",
            "everything on one loop",
            _agent_rs("cpu", CPU_LIMIT, *CPU),
            _rs("nap", "sleep", WAIT_LIMIT),
            _rs("call", "net", WAIT_LIMIT),
            tool("call", "net"),
            _rs("block", "cpu", CPU_LIMIT, *CPU),
            _rs("block", "loop_lag", WAIT_LIMIT),
        ),
        _family(
            "processes",
            "children, grandchildren and workers",
            _rs("child", "cpu", CHILD_LIMIT, *CPU),
            _rs("opaque", "cpu", CHILD_LIMIT, *CPU),
            sampled("script", "sleep", measure="rs"),
            _rs("job", "cpu", CPU_LIMIT, *CPU),
        ),
    ),
    tools=(*_KIT, *(f"truth:{name}" for name in _TRUTH)),
)

_STREAMS: Final = Program(
    "streams",
    (
        _timed("slow_reader", "an agent slower than the stream that it reads", agent_cpu(), model()),
        _timed("fast_reader", "an agent that waits for each token", agent_cpu(), model()),
        _timed("read_late", "a reply that is there long before it is read", agent_cpu(), model()),
        _timed("left_by_break", "a stream that is left after a few tokens", agent_cpu(), model()),
        _timed("retries", "a model that refuses at first, and back-off", model(), agent("sleep")),
        _timed("kept_open", "two calls on one connection", agent_cpu(), model()),
        _timed("dropped_open", "a stream that is open when the program ends", agent_cpu(), model()),
    ),
)

_HELPERS: Final = Program(
    "helpers",
    (
        _timed(
            "queue_worker",
            "a worker thread at a queue, made before the task",
            tool("compute", "cpu", *CPU, limit=CPU_LIMIT),
            tool("doze", "sleep"),
        ),
        _timed(
            "shared_worker",
            "two tasks share a worker",
            tool("doze", "sleep"),
            agent("queue", "pool_wait"),
        ),
        _timed("batching", "a thread that does at once what two others want", tool("doze", "sleep")),
        _timed("http_thread", "a loop on a thread of its own does all HTTP", agent_cpu(), model()),
        _timed(
            "gil_after_wait",
            "after each short wait the interpreter is held by a tool",
            _rs("compute", "cpu", CPU_LIMIT, *CPU),
            Label("", "anyone", "gil", GIL_LIMIT, None, ("gil",), samples=2),
            Label("", "compute", "gil", GIL_LIMIT, "tool", ("gil",), samples=2),
        ),
        _timed(
            "lib_threads",
            "a library computes on threads of its own",
            tool("use", "busy", *BUSY, limit=SAMPLED_LIMIT),
            needs=("package pyarrow", "2 cores"),
        ),
        _timed(
            "pool_full",
            "three jobs for one thread of a pool",
            _rs("doze", "sleep", WAIT_LIMIT),
            agent("queue", "pool_wait"),
        ),
        _timed(
            "two_jobs",
            "two jobs of a pool side by side",
            _rs("compute", "cpu", CPU_LIMIT, *CPU),
            _rs("doze", "sleep", WAIT_LIMIT),
        ),
        _timed("handed_event", "a thread is woken by an event and answers by another", tool("doze", "sleep")),
        _timed(
            "generator_tool",
            "a generator computes between its consumer's steps",
            agent_cpu(),
            tool("pieces", "cpu", *CPU, limit=CPU_LIMIT),
        ),
        _timed(
            "in_slices",
            "a thread that is waited for in slices",
            tool("compute", "cpu", *CPU, limit=CPU_LIMIT),
            tool("doze", "sleep"),
        ),
    ),
    tools=(*_KIT, "helpers:pieces"),
)

_CHILDREN: Final = Program(
    "children",
    (
        _family("late_child", "a child that is over long before it is waited for", agent_cpu()),
        _family(
            "own_server",
            "a server of one's own, terminated at the end",
            model(),
            tool("compute", "cpu", *CPU, limit=CPU_LIMIT),
        ),
        _family(
            "shell_at_pipe",
            "a shell that lives at a pipe computes, then sleeps",
            sampled("use", "busy", *BUSY),
            sampled("use", "sleep"),
        ),
        _family("threaded_child", "a child that computes on two threads", needs=("2 cores",)),
        _family("last_child", "a child that is the last thing of a task", sampled("use", "busy", *BUSY)),
        _family("exit_forks", "forks that leave by os._exit", sampled("use", "busy", *BUSY)),
        _family("late_reaped", "children that are long dead when they are reaped", tool("use", "sleep")),
        _family("late_command", "a command beyond somebody's patience", tool("use", "timeout")),
        _timed("left_script", "a shell that is killed leaves its script behind", tool("use", "sleep")),
        _family(
            "killed_child", "a child that is killed while it sleeps", sampled("use", "sleep"), unexplained()
        ),
        _family("by_system", "a command by os.system", sampled("use", "sleep")),
        _timed("at_pty", "a shell at a terminal of its own", sampled("use", "sleep")),
        _family("pipeline", "a pipeline of a shell", sampled("use", "sleep")),
        _family("node_child", "a child in another language", sampled("use", "busy", *BUSY), needs=("node",)),
        _family(
            "worker_at_pipe",
            "a worker of multiprocessing, made before the task",
            sampled("use", "busy", *BUSY),
            sampled("use", "sleep"),
        ),
        _family(
            "stdio_server",
            "a server at its standard streams, opened before the task",
            sampled("use", "busy", *BUSY),
            sampled("use", "sleep"),
        ),
        _family("child_beside", "a child that sleeps while the agent computes", agent_cpu()),
    ),
)

_LOOPS: Final = Program(
    "loops",
    (
        _timed(
            "queue_task",
            "a worker coroutine made before the task",
            tool("think", "cpu", *CPU, limit=CPU_LIMIT),
            tool("pause", "sleep"),
        ),
        _timed(
            "semaphore",
            "two tasks share a semaphore",
            tool("pause", "sleep"),
            agent("queue", "lock"),
        ),
        _timed(
            "eager_tasks",
            "eager tasks compute before their first wait",
            _rs("think", "cpu", CPU_LIMIT, *CPU),
            _rs("pause", "sleep", WAIT_LIMIT),
            needs=("Python 3.12",),
        ),
        _timed("model_timeout", "a model beyond somebody's patience", agent("timeout")),
        _timed("event_timeout", "an event that never comes", agent("timeout")),
        _timed(
            "async_generator",
            "a generator waits between its consumer's steps",
            agent_cpu(),
            tool("items", "sleep"),
        ),
        _timed("generator_left", "a generator that is left open", agent_cpu(), tool("items", "sleep")),
        _family(
            "process_pool",
            "a pool of processes awaited from a loop",
            tool("heavy", "cpu", *CPU, limit=CPU_LIMIT),
        ),
        _timed(
            "on_thread",
            "a coroutine waits for a thread",
            tool("doze", "sleep"),
            _rs("think", "cpu", CPU_LIMIT, *CPU),
        ),
        _family(
            "async_child",
            "a child of a loop, over before it is awaited",
            tool("think", "cpu", *CPU, limit=CPU_LIMIT),
        ),
        _family(
            "async_stdio",
            "a server at its standard streams awaited from a loop",
            sampled("asks", "busy", *BUSY),
            sampled("asks", "sleep"),
        ),
        _timed("two_models", "two models are asked at once", model()),
        _timed("cancelled", "whoever is slower is cancelled", agent_cpu(), tool("pause", "sleep")),
        _timed(
            "uvloop_tasks",
            "tasks of uvloop side by side",
            tool("pause", "sleep"),
            _rs("think", "cpu", CPU_LIMIT, *CPU),
            needs=("package uvloop",),
        ),
        _timed(
            "trio_tasks",
            "tasks of trio side by side",
            _agent_rs("sleep", WAIT_LIMIT),
            _rs("think", "cpu", CPU_LIMIT, *CPU),
            needs=("package trio",),
        ),
    ),
    task_from="kit:loop_agent",
    tools=(*_KIT, "loops:pause", "loops:think", "loops:items", "loops:heavy"),
)


def _alone(name: str, says: str, *labels: Label, code: int = 0, task_from: str = "program") -> Program:
    return Program("deaths", (_shape(name, says, *labels),), task_from, _KIT, code)


_CPU_AND_SLEEP: Final = (tool("compute", "cpu", *CPU, limit=CPU_LIMIT), tool("doze", "sleep"))
_DEATHS: Final = (
    _alone("killed", "a whole program is killed", *_CPU_AND_SLEEP, unexplained(), code=137),
    _alone("terminated", "a whole program is terminated", *_CPU_AND_SLEEP, unexplained(), code=143),
    _alone("exec_launcher", "a launcher becomes the program", *_CPU_AND_SLEEP),
    _alone(
        "orderly_server",
        "a server is told to end after four requests",
        agent("sleep"),
        code=143,
        task_from="http",
    ),
    _alone("closed_files", "every descriptor is closed", *_CPU_AND_SLEEP),
    _alone("cleared_gc", "what follows the collector is thrown out", *_CPU_AND_SLEEP),
    _alone(
        "odd_names",
        "a thread has a name that no encoding knows",
        _rs("compute", "cpu", CPU_LIMIT, *CPU),
        _rs("doze", "sleep", WAIT_LIMIT),
    ),
)

PROGRAMS: Final = (_BASIC, _STREAMS, _HELPERS, _CHILDREN, _LOOPS, *_DEATHS)
SHAPES: Final[Mapping[str, Shape]] = {shape.name: shape for program in PROGRAMS for shape in program.shapes}


def chosen(names: Sequence[str]) -> dict[str, Shape]:
    """Return the shapes of these names; all when none is named.

    Raises:
        UsageError: there is no such shape.
    """
    unknown = [name for name in names if name not in SHAPES]
    if unknown:
        raise UsageError(f"no such shape, {unknown[0]} @ --shape, see orchprof verify --list")
    return {name: shape for name, shape in SHAPES.items() if name in names or not names}


def lacking(shape: Shape) -> str | None:
    """Return what this machine lacks to make a shape, in words; None where it can."""
    return next((f"needs {need}" for need in shape.needs if not _has(need)), None)


def _has(need: str) -> bool:
    word, _, number = need.partition(" ")
    if word == "package":
        return find_spec(number) is not None
    if word == "Python":
        return sys.version_info >= tuple(map(int, number.split(".")))
    if number == "cores":
        return machine.fingerprint().cores >= int(word)
    return shutil.which(need) is not None
