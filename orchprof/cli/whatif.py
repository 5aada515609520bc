"""`orchprof whatif`: what a change would make of a run's latency, or what is worth changing."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchprof import units
from orchprof.cli.words import DetailsOption, FormatOption, positive, show, whole
from orchprof.errors import OrchprofError, UsageError

if TYPE_CHECKING:
    from orchprof.contract.whatif import Whatif
    from orchprof.run.store import Run


def whatif(  # noqa: PLR0913  typer reads the options from the signature
    *,
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Directory of a run; the latest when none is given.")
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=FACTOR",
            help="Multiply the time of a part, 0 for none left: a role (model), a role's state (tool/net), a state "
            "(gc), a name (tool:search_docs); repeatable.",
        ),
    ] = None,
    swap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=RUN",
            help="Give a part the time it took in another run of the same workload; repeatable.",
        ),
    ] = None,
    cores: Annotated[
        float | None,
        typer.Option(metavar="N", parser=positive("--cores"), help="Let the machine have N cores."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole(1, "--workers"), help="Let N tasks be in flight at a time."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Let another accelerator answer; see serve-model.")
    ] = None,
    form: FormatOption = "console",
    details: DetailsOption = False,
) -> None:
    """Replay a run with some of its time changed.

    Every task is replayed as it hung together; without options, the list of what to fix.
    """
    from orchprof.run import store
    from orchprof.whatif.request import Asked
    from orchprof.whatif.whatif import whatif as ask

    scaled = [_scaled(text) for text in scale or []]
    pairs = [_pair(text, "--swap", "KEY=RUN") for text in swap or []]
    others = [(key, store.open_run(Path(path))) for key, path in pairs]
    opened = store.open_run(run or store.latest())
    answer = ask(opened, Asked(scaled, others, cores, workers, model))
    show(_with_cost(answer, opened) if answer.ranking else answer, form, details=details)


def _with_cost(answer: "Whatif", opened: "Run") -> "Whatif":
    """Return the ranking with what a task would cost; as it is where the run cannot be priced: `cost` says why."""
    from orchprof.economics.bill.priced_run import priced
    from orchprof.economics.halving import priced_ranking
    from orchprof.economics.options import Options
    from orchprof.ledger.summary import summarise
    from orchprof.prices.book import book

    with suppress(OrchprofError):
        cost = priced(opened.of(summarise), opened, book(), Options()).parts(right=True)
        return replace(answer, ranking=priced_ranking(answer.ranking, answer.base_s, cost))
    return answer


def _scaled(text: str) -> tuple[str, float]:
    key, _, factor = text.rpartition("=")
    value = units.number(factor)
    if key and value is not None:
        return key, value
    raise UsageError(f"not a change, {text!r} @ --scale, write it as KEY=FACTOR, such as model=0.5")


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not (key and value):
        raise UsageError(f"not a change, {text!r} @ {option}, write it as {form}")
    return key, value
