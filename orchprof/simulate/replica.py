"""Continuous batching as `models.batch` has it, for the simulation: a fraction of the work, the same instants.

Requests that end at the same step are kept together, so that a stretch of steps costs the same however many run, and
nothing is kept of a request but where its task goes next.
"""

import math
from collections import deque
from functools import cache
from heapq import heappop, heappush
from typing import Final

from orchprof.models.paced.batch import Limits
from orchprof.models.paced.steps import Steps
from orchprof.simulate.calendar import Calendar, Enter, Node, Task

_SLACK: Final = 1e-9  # of a step, as in models.batch


class Replica:
    """One batch."""

    __slots__ = (
        "_armed_s", "_base_s", "_book", "_busy_s", "_context", "_done", "_ends", "_event", "_first_s", "_growth_s",
        "_joining", "_leaving", "_most", "_open", "_prompts", "_room", "_running", "_seats", "_start_s", "_steps",
        "_stretch", "_waiting", "waits",
    )  # fmt: skip

    def __init__(self, calendar: Calendar, steps: Steps, limits: Limits) -> None:
        self._book = calendar.at
        self._event = (self._fire, None, None)
        self._steps = steps
        self._base_s = cache(steps.base_s)
        self._seats = limits.sequences
        self._room = limits.kv_tokens  # what is left of the cache
        self._most = limits.prompt_tokens  # in one step
        self._waiting: deque[tuple[float, Task, Node]] = deque()
        # Who has all tokens at the end of which step, what comes after it, and what cache that frees.
        self._leaving: dict[int, list[tuple[Task, Node, int]]] = {}
        self._ends: list[int] = []  # a heap of its keys
        self._running = self._context = self._done = 0
        self._joining = self._prompts = (
            0  # requests that the step under way admitted, and tokens of their prompts
        )
        self._start_s = self._first_s = self._growth_s = 0.0
        self._stretch = 0  # steps from `_start_s` until something changes; 0 is idle
        self._open = True  # whether an arrival can change the plan: idle, or nobody waits during a stretch
        self._armed_s = math.inf
        self._busy_s = 0.0
        self.waits = 0.0

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let a request arrive."""
        self._waiting.append((now_s, task, node))
        if self._open:
            if not self._stretch:
                self._start(now_s)
            elif self._fits(node):
                self._cut(now_s)
            # Who comes after it waits for it, and so cannot change the plan either.
            self._open = False

    @property
    def load(self) -> int:
        """How many requests it has, waiting ones included."""
        return len(self._waiting) + self._joining + self._running

    def busy_s(self, now_s: float) -> float:
        """Return how long steps ran up to an instant."""
        return self._busy_s + (now_s - self._start_s if self._stretch else 0.0)

    def _fits(self, node: Node) -> bool:
        _, _, cache_tokens, _ = node.request
        return self._running < self._seats and cache_tokens <= self._room

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
        lasts_s = steps * (self._first_s + self._growth_s * (steps - 1) / 2)
        self._armed_s = end_s = self._start_s + lasts_s
        self._book(end_s, self._event)

    def _start(self, now_s: float) -> None:
        """Plan what runs from now on: one step with admissions, or many without."""
        self._start_s = now_s
        self._stretch = 0
        steps, running = self._steps, self._running
        prompts_s = self._admit(now_s) if self._waiting else 0.0
        self._open = not (self._joining or self._waiting)
        if self._joining or running:
            base_s = self._base_s(running + self._prompts)
            running_s = steps.sequence_s * running + steps.context_token_s * self._context
            self._first_s = base_s + running_s + prompts_s
            self._growth_s = 0.0 if self._joining else steps.context_token_s * running
            self._plan(1 if self._joining else self._ends[0] - self._done)

    def _admit(self, now_s: float) -> float:
        """Seat who waits, in order, while there is room; return their prompts' seconds."""
        waiting, leaving, done = self._waiting, self._leaving, self._done
        seats, room, most = self._seats - self._running, self._room, self._most
        joining, prompts, prompts_s, since_s = 0, 0, 0.0, 0.0
        while waiting and joining < seats:
            came_s, task, node = waiting[0]
            tokens, prompt_tokens, cache_tokens, prompt_s = node.request
            if cache_tokens > room or (prompts and prompts + prompt_tokens > most):
                break
            waiting.popleft()
            joining += 1
            since_s += came_s
            room -= cache_tokens
            prompts += prompt_tokens
            prompts_s += prompt_s
            leaver, end = (task, node.then, cache_tokens), done + tokens
            if end in leaving:
                leaving[end].append(leaver)
            else:
                leaving[end] = [leaver]
                heappush(self._ends, end)
        self._room, self._joining, self._prompts = room, joining, prompts
        self.waits += now_s * joining - since_s
        return prompts_s

    def _fire(self, now_s: float, _task: None, _node: None) -> None:
        """End a stretch: begin the next one, then let go on whoever has all tokens. They come too late for it."""
        if now_s != self._armed_s:
            return  # it was cut
        self._busy_s += now_s - self._start_s
        self._done += self._stretch
        ends = self._ends
        ended = self._leaving.pop(heappop(ends)) if ends and ends[0] == self._done else []
        freed = 0
        for _, _, cache_tokens in ended:
            freed += cache_tokens
        # Who joined has its prompt in the cache, and each who ran a token more for each step.
        self._context += self._running * self._stretch + self._prompts + self._joining - freed
        self._room += freed
        self._running += self._joining - len(ended)
        self._joining = self._prompts = 0
        self._start(now_s)
        for task, then, _ in ended:
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
