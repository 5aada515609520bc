"""The batch under equal requests in a closed loop, counted in work instead of played in seconds.

All clients send together at the start, as published load generators do, and each sends again when it is
answered. Nobody arrives but at a step's end, so which requests share a step does not depend on how long steps
take: a request's times are sums of work, linear in the coefficients of a step, and can be fitted as such.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from orchprof.models.paced.steps import MOST_SEQUENCES, PROMPT_TOKENS_PER_STEP, Setup, Steps, touched

ROUNDS: Final = 5  # requests per client that the means are taken over: the first burst is a fifth of them
_TERMS: Final = 6
Work = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """`concurrency` clients that each send the next request, of the same lengths, as the last one ends."""

    input_tokens: int
    output_tokens: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Means:
    """The mean work up to a request's first token, and per token after it (None when there is none).

    Work is: steps, shares of the weights read, tokens of cache read, requests served, prompt tokens and
    squares of prompts' lengths, as `Steps` charges for them.
    """

    ttft: Work
    tpot: Work | None


def seconds(steps: Steps, work: Work) -> float:
    """Return how long work takes."""
    return sum(unit_s * done for unit_s, done in zip(_charges(steps), work, strict=True))


def _charges(steps: Steps) -> Work:
    return (
        steps.floor_s,
        steps.weights_s,
        steps.context_token_s,
        steps.sequence_s,
        steps.prompt_token_s,
        steps.prompt_pair_s,
    )


def play(setup: Setup, load: Load, rounds: int = ROUNDS) -> Means:
    """Return the means over the first `rounds` requests of each client; one has to fit the memory."""
    seats = min(MOST_SEQUENCES, setup.kv_tokens // (load.input_tokens + load.output_tokens))
    return _played(load, setup.active_share, min(seats, load.concurrency), rounds)


@cache
def _played(load: Load, active_share: float, seats: int, rounds: int) -> Means:
    return _Loop(load, active_share, seats).run(rounds * load.concurrency)


@dataclass(frozen=True, slots=True)
class _Cohort:
    """Requests that stay together: `since` is the work done when they began what they are doing."""

    size: int
    since: Work
    due: int = 0  # the step at whose end they have all tokens


class _Loop:
    """The batch's state between two stretches of steps; `batch.Batch` says why it moves as it does."""

    def __init__(self, load: Load, active_share: float, seats: int) -> None:
        self.load = load
        self.active_share = active_share
        self.seats = seats
        self.per_step = max(1, PROMPT_TOKENS_PER_STEP // load.input_tokens)
        self.done: Work = (0.0,) * _TERMS
        self.steps = 0
        self.running = 0
        self.context = 0
        self.decoding: deque[_Cohort] = deque()
        self.waiting: deque[_Cohort] = deque()
        self.ttft = [0.0] * _TERMS
        self.tpot = [0.0] * _TERMS

    def run(self, requests: int) -> Means:
        """Return the means over the first so many requests."""
        first = ended = 0
        fresh = self.load.concurrency
        while ended < requests:
            joining = self._admit(fresh)
            if joining:
                self._mixed(sum(cohort.size for cohort in joining))
                first += self._join(joining, requests - first)
            else:
                self._decode()
            fresh = self._leave(requests - ended)
            ended += fresh
        after = self.load.output_tokens - 1
        ttft = tuple(work / requests for work in self.ttft)
        return Means(ttft, tuple(work / requests / after for work in self.tpot) if after else None)

    def _admit(self, fresh: int) -> list[_Cohort]:
        """Return who joins the next step; the fresh ones come too late for it, unless nobody else is there."""
        joining = self._seated(min(self.seats - self.running, self.per_step))
        if fresh:
            self.waiting.append(_Cohort(fresh, self.done))
        return joining or ([] if self.running else self._seated(1))

    def _seated(self, room: int) -> list[_Cohort]:
        taken = []
        while room and self.waiting:
            cohort = self.waiting.popleft()
            size = min(room, cohort.size)
            taken.append(_Cohort(size, cohort.since))
            room -= size
            if size < cohort.size:
                self.waiting.appendleft(_Cohort(cohort.size - size, cohort.since))
        return taken

    def _mixed(self, joining: int) -> None:
        """Work off one step with so many prompts."""
        tokens = joining * self.load.input_tokens
        reading = touched(self.active_share, self.running + tokens)
        self._work(1, (1, reading, self.context, self.running, tokens, tokens * self.load.input_tokens))
        self.context += joining * (self.load.input_tokens + 1)
        self.running += joining

    def _decode(self) -> None:
        """Work off the steps until somebody ends or, if somebody waits for whom there is room, one."""
        admissible = self.waiting and self.running < self.seats
        k = 1 if admissible else self.decoding[0].due - self.steps
        reading = touched(self.active_share, self.running)
        context = k * self.context + self.running * k * (k - 1) / 2
        self._work(k, (k, k * reading, context, k * self.running, 0, 0))

    def _work(self, k: int, work: Sequence[float]) -> None:
        self.done = tuple(a + b for a, b in zip(self.done, work, strict=True))
        self.steps += k
        self.context += k * self.running

    def _join(self, joining: list[_Cohort], wanted: int) -> int:
        """Let the joining have their first token; return how many of them count, `wanted` at most."""
        due = self.steps + self.load.output_tokens - 1
        self.decoding.append(_Cohort(sum(cohort.size for cohort in joining), self.done, due))
        counted = 0
        for cohort in joining:
            size = min(cohort.size, wanted - counted)
            _add(self.ttft, self.done, cohort.since, size)
            counted += size
        return counted

    def _leave(self, wanted: int) -> int:
        """Let those go who have all tokens; return how many: they come again."""
        left = 0
        while self.decoding and self.decoding[0].due == self.steps:
            cohort = self.decoding.popleft()
            _add(self.tpot, self.done, cohort.since, min(cohort.size, wanted - left))
            left += cohort.size
        self.running -= left
        self.context -= left * (self.load.input_tokens + self.load.output_tokens)
        return left


def _add(sums: list[float], until: Work, since: Work, times: int) -> None:
    for term, (after, before) in enumerate(zip(until, since, strict=True)):
        sums[term] += max(0, times) * (after - before)
