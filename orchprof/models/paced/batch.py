"""One continuous batch as a simulation of events: no clock, no sleeping, nothing left to chance.

The batch works in steps (see `steps`). At a step's start waiting requests are admitted in order of arrival
while their cache, a seat and the step's prompt tokens allow. At its end every request that was running has one
token more and every admitted one its first. Steps between which nothing changes are taken in closed form.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchprof.models.paced.steps import MOST_SEQUENCES, PROMPT_TOKENS_PER_STEP, Steps

NEVER_S: Final = math.inf
_SLACK: Final = 1e-9  # of a step: an instant that equals a step's end but for rounding is its end


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch can hold.

    Attributes:
        accelerators: how many run each step together.
        kv_tokens: tokens of cache that all running requests share.
        sequences: requests running at once.
        prompt_tokens: prompt tokens admitted into one step; a single longer prompt is admitted alone.
    """

    accelerators: int
    kv_tokens: int
    sequences: int = MOST_SEQUENCES
    prompt_tokens: int = PROMPT_TOKENS_PER_STEP


@dataclass(frozen=True, slots=True)
class Request:
    """Work for the batch; `stream` asks for an event per token instead of only the first and the last."""

    key: int
    prompt_tokens: int
    output_tokens: int
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """A finished request's residence times, which sum to its time in the batch, and its accelerators'."""

    queue_s: float
    prefill_s: float
    decode_s: float
    accelerator_s: float


@dataclass(frozen=True, slots=True)
class Event:
    """A request has `tokens` tokens since the instant `at_s`; `timing` comes with the last."""

    at_s: float
    key: int
    tokens: int
    timing: Timing | None = None


@dataclass(slots=True)
class _Seat:
    """A request in the batch."""

    request: Request
    arrived_s: float
    admitted_s: float = 0.0
    first_s: float = 0.0
    tokens: int = 0
    accelerator_s: float = 0.0
    gone: bool = False  # whoever asked for it has left

    @property
    def cache_tokens(self) -> int:
        return self.request.prompt_tokens + self.request.output_tokens

    def timing(self, end_s: float) -> Timing:
        return Timing(
            queue_s=self.admitted_s - self.arrived_s,
            prefill_s=self.first_s - self.admitted_s,
            decode_s=end_s - self.first_s,
            accelerator_s=self.accelerator_s,
        )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Steps in a row without admission: the k-th ends at start + k first + growth k (k - 1) / 2."""

    start_s: float
    first_s: float
    growth_s: float
    steps: int

    def end_s(self, k: int) -> float:
        return self.start_s + k * self.first_s + self.growth_s * k * (k - 1) / 2

    def ended_by(self, at_s: float) -> int:
        """Return how many of its steps have ended at an instant."""
        if at_s >= self.end_s(self.steps):
            return self.steps
        elapsed = at_s - self.start_s + _SLACK * self.first_s
        linear = self.first_s - self.growth_s / 2
        k = math.floor(
            2 * elapsed / (linear + math.sqrt(linear * linear + 2 * self.growth_s * max(elapsed, 0.0)))
        )
        return max(0, min(k, self.steps))


@dataclass(slots=True)
class Batch:
    """A batch in simulated time. Call `submit` and `advance` with instants that never go back.

    Attributes:
        steps: how long a step takes.
        limits: what it can hold.
        busy_s: how long steps ran; times `limits.accelerators` it is the sum of all requests' accelerator_s.
    """

    steps: Steps
    limits: Limits
    busy_s: float = 0.0
    _waiting: deque[_Seat] = field(default_factory=deque)
    _running: list[_Seat] = field(default_factory=list)
    _joining: list[_Seat] = field(default_factory=list)
    _stretch: _Stretch | None = None
    _done: int = 0

    def submit(self, request: Request, at_s: float) -> None:
        """Let a request arrive; what happened before `at_s` has to be collected by `advance` first.

        Raises:
            ValueError: it can never run, or has no tokens to prefill or to give.
        """
        seat = _Seat(request, at_s)
        if min(request.prompt_tokens, request.output_tokens) < 1:
            raise ValueError(f"a request has at least one token each way, not {request}")
        if seat.cache_tokens > self.limits.kv_tokens:
            raise ValueError(f"{seat.cache_tokens} tokens do not fit into a cache of {self.limits.kv_tokens}")
        self._waiting.append(seat)
        if self._stretch is None:
            self._start(at_s)
        elif not self._joining and self._admissible(self._waiting[0], self._running, 0):
            self._cut(at_s)

    def cancel(self, key: int) -> None:
        """Let a request go that nobody waits for any more; unknown and finished ones are no fault.

        One that waits leaves at once. One that runs leaves at the end of the step under way, counted from the
        instant of the last `advance`, and has no further event; the accelerator time it took is spent.
        """
        self._waiting = deque(seat for seat in self._waiting if seat.request.key != key)
        for seat in (*self._running, *self._joining):
            seat.gone = seat.gone or seat.request.key == key
        follows = bool(self._waiting) and self._admissible(self._waiting[0], self._running, 0)
        if self._stretch is not None and (follows or any(seat.gone for seat in self._running)):
            self._cut(self._stretch.end_s(self._done))

    def next_event_s(self) -> float:
        """Return when something happens next, without further arrivals; `NEVER_S` when nothing will."""
        if self._stretch is None:
            return NEVER_S
        streaming = any(seat.request.stream for seat in self._running)
        return self._stretch.end_s(self._done + 1 if streaming else self._stretch.steps)

    def advance(self, to_s: float) -> list[Event]:
        """Return every event up to and including an instant, in order of time."""
        events: list[Event] = []
        while self._stretch is not None:
            stretch = self._stretch
            self._progress(stretch.ended_by(to_s), events)
            if self._done < stretch.steps:
                break
            end_s = stretch.end_s(stretch.steps)
            self._leave(end_s, events)
            self._start(end_s)
        return events

    def _start(self, at_s: float) -> None:
        """Plan what runs from an instant on: one step with admissions, or many without."""
        self._joining = list(self._admit(at_s))
        self._done = 0
        running = len(self._running)
        if self._joining:
            self._stretch = _Stretch(at_s, self._mixed_s(), 0.0, 1)
        elif running:
            first_s = self.steps.decode_s(running, self._context())
            left = min(seat.request.output_tokens - seat.tokens for seat in self._running)
            self._stretch = _Stretch(at_s, first_s, self.steps.context_token_s * running, left)
        else:
            self._stretch = None

    def _cut(self, at_s: float) -> None:
        """End the stretch with the step under way, so that who arrived now is admitted at its end."""
        stretch = self._stretch
        if stretch is not None:
            under_way = max(self._done, stretch.ended_by(at_s)) + 1
            self._stretch = _Stretch(
                stretch.start_s, stretch.first_s, stretch.growth_s, min(stretch.steps, under_way)
            )

    def _admit(self, at_s: float) -> Iterator[_Seat]:
        seated, prompt_tokens = list(self._running), 0
        while self._waiting and self._admissible(self._waiting[0], seated, prompt_tokens):
            seat = self._waiting.popleft()
            seat.admitted_s = at_s
            seated.append(seat)
            prompt_tokens += seat.request.prompt_tokens
            yield seat

    def _admissible(self, seat: _Seat, seated: list[_Seat], prompt_tokens: int) -> bool:
        if len(seated) >= self.limits.sequences:
            return False
        if prompt_tokens and prompt_tokens + seat.request.prompt_tokens > self.limits.prompt_tokens:
            return False
        return sum(other.cache_tokens for other in seated) + seat.cache_tokens <= self.limits.kv_tokens

    def _context(self) -> int:
        return sum(seat.request.prompt_tokens + seat.tokens for seat in self._running)

    def _mixed_s(self) -> float:
        """Return a step with prompts in it: the base, the running requests' part and the joining ones'."""
        running = len(self._running)
        own_s = sum(self.steps.prompt_s(seat.request.prompt_tokens) for seat in self._joining)
        return self._shared_s(running) + own_s

    def _shared_s(self, running: int) -> float:
        tokens = running + sum(seat.request.prompt_tokens for seat in self._joining)
        decode_s = self.steps.decode_s(running, self._context()) - self.steps.base_s(running)
        return self.steps.base_s(tokens) + decode_s

    def _progress(self, k: int, events: list[Event]) -> None:
        """Account for the stretch's steps up to the k-th: tokens, accelerator time and streamed events."""
        stretch = self._stretch
        if stretch is None or k <= self._done:
            return
        lasted_s = stretch.end_s(k) - stretch.end_s(self._done)
        self.busy_s += lasted_s
        self._charge(lasted_s)
        events.extend(self._tokens(stretch, k))
        for seat in (*self._running, *self._joining):
            seat.tokens += k - self._done
        self._done = k

    def _tokens(self, stretch: _Stretch, k: int) -> Iterator[Event]:
        """Yield the streamed tokens since the last accounted step, except a request's last token."""
        streaming = [seat for seat in self._running if seat.request.stream and not seat.gone]
        for step in range(self._done + 1, k + 1) if streaming else ():
            for seat in streaming:
                tokens = seat.tokens + step - self._done
                if tokens < seat.request.output_tokens:
                    yield Event(stretch.end_s(step), seat.request.key, tokens)

    def _charge(self, lasted_s: float) -> None:
        """Split accelerator time: each prompt's own part to its request, what is left in equal shares."""
        seats = [*self._running, *self._joining]
        own_s = {id(seat): self.steps.prompt_s(seat.request.prompt_tokens) for seat in self._joining}
        shared_s = (lasted_s - sum(own_s.values())) / len(seats)
        for seat in seats:
            seat.accelerator_s += (shared_s + own_s.get(id(seat), 0.0)) * self.limits.accelerators

    def _leave(self, end_s: float, events: list[Event]) -> None:
        """Close a stretch: first tokens for who joined, and whoever has all tokens leaves."""
        for seat in self._joining:
            seat.first_s = end_s
        joined = {id(seat) for seat in self._joining}
        self._running += self._joining
        self._joining = []
        self._running = [seat for seat in self._running if not seat.gone]
        for seat in self._running:
            last = seat.tokens == seat.request.output_tokens
            if last or id(seat) in joined:
                events.append(
                    Event(end_s, seat.request.key, seat.tokens, seat.timing(end_s) if last else None)
                )
        self._running = [seat for seat in self._running if seat.tokens < seat.request.output_tokens]
