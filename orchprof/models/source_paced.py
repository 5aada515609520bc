"""The paced time source: a simulated batch played in real time, against absolute instants: no drift."""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Iterable
from typing import Final

from orchprof.models import script
from orchprof.models.paced.batch import Batch, Event, Limits, Request
from orchprof.models.paced.timing import Paced
from orchprof.models.source import Progress, Spent, TooLongError, Work

# An event loop's timers are late by up to a millisecond (epoll counts in those) and by what else it does. So it
# is woken this much early and sleeps the rest away itself, which is right to about 0.1 ms.
EARLY_S: Final = 0.0015


class PacedSource:
    """Plays a batch in real time. One per event loop; every method runs on that loop's thread."""

    provenance = "modelled"

    def __init__(self, model: Paced) -> None:
        self._most_tokens = model.setup.most_tokens
        self._batch = Batch(model.steps, Limits(model.setup.count, model.setup.kv_tokens))
        self._inboxes: dict[int, asyncio.Queue[Event]] = {}
        self._keys = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def count(self, text: str) -> int:
        """Return the estimate that `script.COUNTING` states."""
        return script.count_tokens(text)

    def check(self, prompt_tokens: int, output_tokens: int) -> None:
        """Raise TooLongError when the model's context or the accelerator's memory is too small."""
        if prompt_tokens + output_tokens > self._most_tokens:
            raise TooLongError(
                f"{prompt_tokens} prompt and {output_tokens} output tokens do not fit {self._most_tokens}"
            )

    async def generate(self, work: Work) -> AsyncIterator[Progress]:
        """Yield progress at the simulated instants; who stops listening takes its request out of the batch."""
        key = next(self._keys)
        inbox = self._inboxes[key] = asyncio.Queue()
        self._submit(Request(key, work.prompt_tokens, work.output_tokens, work.stream))
        try:
            while True:
                event = await inbox.get()
                yield Progress(event.tokens, _spent(event))
                if event.timing is not None:
                    return
        finally:
            del self._inboxes[key]
            self._cancel(key)

    def _submit(self, request: Request) -> None:
        now_s = time.monotonic()
        self._deliver(self._batch.advance(now_s))
        self._batch.submit(request, now_s)
        self._arm()

    def _cancel(self, key: int) -> None:
        """Take a request out of the batch; after its last token there is nothing left to take."""
        self._deliver(self._batch.advance(time.monotonic()))
        self._batch.cancel(key)
        self._arm()

    def _arm(self) -> None:
        """Set the timer to the batch's next event."""
        if self._timer is not None:
            self._timer.cancel()
        at_s = self._batch.next_event_s()
        if math.isfinite(at_s):
            self._timer = asyncio.get_running_loop().call_at(at_s - EARLY_S, self._fire, at_s)

    def _fire(self, at_s: float) -> None:
        left_s = at_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
        self._deliver(self._batch.advance(max(at_s, time.monotonic())))
        self._arm()

    def _deliver(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.key in self._inboxes:
                self._inboxes[event.key].put_nowait(event)


def _spent(event: Event) -> Spent | None:
    timing = event.timing
    if timing is None:
        return None
    return Spent(timing.queue_s, timing.prefill_s, timing.decode_s, timing.accelerator_s)
