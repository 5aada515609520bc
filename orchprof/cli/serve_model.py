"""`orchprof serve-model`: the model endpoint alone, or what it would do."""

from typing import Annotated

import typer

from orchprof.cli.words import MOST_AT_A_TIME, FormatOption, settings_of, show, whole
from orchprof.models.spec import FORMS


def serve_model(  # noqa: PLR0913  typer reads the options from the signature
    *,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=f"One of {'  '.join(FORMS)}")],
    port: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole(0, "--port", most=65535), help="Port on 127.0.0.1; 0 takes a free one."
        ),
    ] = 8000,
    script: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="What the model says; it echoes without one."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting for the script; repeatable."),
    ] = None,
    any_model: Annotated[
        bool,
        typer.Option("--any-model", help="Answer to any model's name: agents choose their tools by it."),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how long a call would take and why, and leave.")
    ] = False,
    input_tokens: Annotated[
        int, typer.Option(metavar="N", parser=whole(1, "--input-tokens"), help="Tokens in, for --explain.")
    ] = 1000,
    output_tokens: Annotated[
        int, typer.Option(metavar="N", parser=whole(1, "--output-tokens"), help="Tokens out, for --explain.")
    ] = 100,
    concurrency: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=whole(1, "--concurrency", MOST_AT_A_TIME),
            help="Calls in flight, for --explain.",
        ),
    ] = 1,
    form: FormatOption = "console",
) -> None:
    """Serve a model alone, over four vendors' protocols.

    One line of JSON on stdout says when it is ready and where; it serves until interrupted.
    """
    if explain:
        from orchprof.models.explain import explain as explained

        show(explained(spec, input_tokens, output_tokens, concurrency), form)
        return
    from orchprof.models.endpoint import serve

    given = _for_script(script, settings_of(settings or []))
    serve(spec, script, given, seed=0, port=port, any_model=any_model)


def _for_script(script: str | None, given: dict[str, str]) -> dict[str, object]:
    """Return the settings of the workload that a script belongs to; as given where it is nobody's."""
    from orchprof.bench import catalogue

    for name in catalogue.names() if script else []:
        workload = catalogue.load(name)
        if script == workload.SCRIPT:
            return catalogue.settled(name, workload, given, quick=False)
    return dict(given)
