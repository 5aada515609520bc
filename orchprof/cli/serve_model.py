"""`orchprof serve-model`: the model endpoint alone, or what it would do."""

from typing import Annotated

import typer

from orchprof.cli.words import FormatOption, show, whole
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
        typer.Option(metavar="N", parser=whole(1, "--concurrency"), help="Calls in flight, for --explain."),
    ] = 1,
    form: FormatOption = "console",
) -> None:
    """Serve a model alone, over the OpenAI protocol.

    One line of JSON on stdout says when it is ready and where; it serves until interrupted.
    """
    if explain:
        from orchprof.models.explain import explain as explained

        show(explained(spec, input_tokens, output_tokens, concurrency), form)
        return
    from orchprof.models.endpoint import serve

    serve(spec, script, {}, seed=0, port=port)
