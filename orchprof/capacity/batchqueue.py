"""Continuous batching as `models.batch` has it, for the simulation: a fraction of the work, the same instants.

Requests that end at the same step are kept together, so that a stretch of steps costs the same however many run, and
nothing is kept of a request but where its task goes next.
"""

import math
from collections import deque
from heapq import heappop, heappush
from typing import Final

from orchprof.capacity.events import Calendar, Enter, Node, Task
from orchprof.models.batch import Limits
from orchprof.models.steps import Steps

_SLACK: Final = 1e-9  # of a step, as in models.batch
Request = tuple[float, Task, Node]


class Replica:
    """One batch. A request is kept as it came: when, who, and its node."""

    __slots__ = (
        "_armed_s", "_book", "_busy_s", "_cache", "_context", "_done", "_ends", "_event", "_first_s", "_growth_s",
        "_joining", "_leaving", "_limits", "_open", "_prompts", "_running", "_start_s", "_steps", "_stretch",
        "_waiting", "waits",
    )  # fmt: skip

    def __init__(self, calendar: Calendar, steps: Steps, limits: Limits) -> None:
        self._book = calendar.at
        self._event = (self._fire, None, None)
        self._steps = steps
        self._limits = limits
        self._waiting: deque[Request] = deque()
        self._leaving: dict[int, list[Request]] = {}  # who has all tokens at the end of which step
        self._ends: list[int] = []  # a heap of its keys
        self._running = self._context = self._cache = self._done = 0
        self._joining = self._prompts = 0  # requests that the step under way admitted, and tokens of their prompts
        self._start_s = self._first_s = self._growth_s = 0.0
        self._stretch = 0  # steps from `_start_s` until something changes; 0 is idle
        self._open = False  # whether an arrival can end the stretch early
        self._armed_s = math.inf
        self._busy_s = 0.0
        self.waits = 0.0

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let a request arrive."""
        self._waiting.append((now_s, task, node))
        if not self._stretch:
            self._start(now_s)
        elif self._open:
            # Who comes after it waits for it, and so cannot end the stretch either.
            self._open = False
            if self._fits(node):
                self._cut(now_s)

    @property
    def load(self) -> int:
        """How many requests it has, waiting ones included."""
        return len(self._waiting) + self._joining + self._running

    def busy_s(self, now_s: float) -> float:
        """Return how long steps ran up to an instant."""
        return self._busy_s + (now_s - self._start_s if self._stretch else 0.0)

    def _fits(self, node: Node) -> bool:
        return (
            self._running < self._limits.sequences
            and self._cache + node.cache_tokens <= self._limits.kv_tokens
        )

    def _cut(self, now_s: float) -> None:
        """End the stretch with the step under way."""
        elapsed_s = now_s - self._start_s + _SLACK * self._first_s
        linear_s = self._first_s - self._growth_s / 2
        root_s = math.sqrt(linear_s * linear_s + 2 * self._growth_s * elapsed_s)
        under_way = math.floor(2 * elapsed_s / (linear_s + root_s)) + 1
        if under_way < self._stretch:
            self._plan(under_way)

    def _plan(self, steps: int) -> None:
        self._stretch = steps
        lasts_s = steps * self._first_s + self._growth_s * steps * (steps - 1) / 2
        self._armed_s = self._start_s + lasts_s
        self._book(self._armed_s, self._event)

    def _start(self, now_s: float) -> None:
        """Plan what runs from now on: one step with admissions, or many without."""
        self._start_s = now_s
        self._stretch = 0
        prompts_s = self._admit(now_s) if self._waiting else 0.0
        steps, running = self._steps, self._running
        if self._joining or running:
            base_s = steps.base_s(running + self._prompts)
            self._first_s = (
                base_s + steps.sequence_s * running + steps.context_token_s * self._context + prompts_s
            )
            if self._joining:
                self._growth_s = 0.0
                self._open = False
                self._plan(1)
            else:
                self._growth_s = steps.context_token_s * running
                self._open = not self._waiting
                self._plan(self._ends[0] - self._done)

    def _admit(self, now_s: float) -> float:
        """Seat who waits, in order, while there is room; return their prompts' seconds."""
        waiting, leaving, most = self._waiting, self._leaving, self._limits.prompt_tokens
        seats, cache = self._limits.sequences - self._running, self._limits.kv_tokens - self._cache
        joining, tokens, prompts_s, since_s = 0, 0, 0.0, 0.0
        while waiting and joining < seats:
            came_s, _, node = request = waiting[0]
            if node.cache_tokens > cache or (tokens and tokens + node.prompt_tokens > most):
                break
            waiting.popleft()
            joining += 1
            cache -= node.cache_tokens
            since_s += came_s
            tokens += node.prompt_tokens
            prompts_s += node.prompt_s
            end = self._done + node.tokens
            if end in leaving:
                leaving[end].append(request)
            else:
                leaving[end] = [request]
                heappush(self._ends, end)
        self._cache = self._limits.kv_tokens - cache
        self._joining, self._prompts = joining, tokens
        self.waits += now_s * joining - since_s
        return prompts_s

    def _fire(self, now_s: float, _task: None, _node: None) -> None:
        """End a stretch: begin the next one, then let go on whoever has all tokens. They come too late for it."""
        if now_s != self._armed_s:
            return  # it was cut
        self._busy_s += now_s - self._start_s
        self._done += self._stretch
        ended: list[Request] = []
        while self._ends and self._ends[0] <= self._done:
            ended += self._leaving.pop(heappop(self._ends))
        freed = sum([node.cache_tokens for _, _, node in ended])
        # Who joined has its prompt in the cache, and each who ran a token more for each step.
        self._context += self._running * self._stretch + self._prompts + self._joining - freed
        self._cache -= freed
        self._running += self._joining - len(ended)
        self._joining = self._prompts = 0
        self._start(now_s)
        for _, task, node in ended:
            then = node.then
            then.enter(now_s, task, then)


class Batches:
    """All replicas of a model; a request goes to the one that has the fewest, the first of them if several."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.size = float(len(replicas))
        self._replicas = replicas
        self.enter: Enter = self._fewest if len(replicas) > 1 else replicas[0].enter

    def _fewest(self, now_s: float, task: Task, node: Node) -> None:
        """Let a request arrive."""
        min(self._replicas, key=_load).enter(now_s, task, node)

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return the seconds that replicas worked, and the waits of all who were admitted."""
        busy_s = sum(replica.busy_s(now_s) for replica in self._replicas)
        return busy_s, sum(replica.waits for replica in self._replicas)


def _load(replica: Replica) -> int:
    return replica.load
