"""Client libraries of model services: a call of one is a client span under the name of the model asked for.

Retries, and the sleeps between them, are inside it: each transport call is a remote strand of its own below.
"""

import functools
from typing import Any, Final

from orchprof.capture.frameworks.wrap import Make, around
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model
from orchprof.capture.strands import Strands

# One generator made all of these: a client's `request` sees every call, and repeats it when it fails.
_GENERATED: Final = ("openai", "anthropic", "groq", "cerebras.cloud.sdk", "together")
# Where others take `model=`: module, class, methods.
_ASKING: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "mistralai.client.chat": {"Chat": ("complete", "complete_async", "stream", "stream_async")},
    "mistralai.chat": {"Chat": ("complete", "complete_async", "stream", "stream_async")},
    "cohere.v2.client": {
        "V2Client": ("chat", "chat_stream", "embed"),
        "AsyncV2Client": ("chat", "chat_stream", "embed"),
    },
    "google.genai.models": {
        "Models": ("generate_content", "generate_content_stream"),
        "AsyncModels": ("generate_content", "generate_content_stream"),
    },
}


def hook(_strands: Strands, patches: Patches) -> None:
    """Label the calls of every client library that the program imports."""
    for package in _GENERATED:
        patches.when_imported(f"{package}._base_client", functools.partial(_patch_generated, patches))
    for module, classes in _ASKING.items():
        patches.when_imported(module, functools.partial(_patch_asking, patches, classes))
    patches.when_imported("litellm.main", functools.partial(_patch_litellm, patches))


def _patch_generated(patches: Patches, module: Any) -> None:
    for client in (module.SyncAPIClient, module.AsyncAPIClient):
        around(patches, client, "request", _request)


def _request(client: Any, cast_to: Any, options: Any, *_args: Any, **_kwargs: Any) -> Span:
    del cast_to
    body = options.json_data
    asked = body.get("model") if isinstance(body, dict) else None
    return model(asked if isinstance(asked, str) else f"{options.method.upper()} {client.base_url.host}")


def _patch_asking(patches: Patches, classes: dict[str, tuple[str, ...]], module: Any) -> None:
    for name, methods in classes.items():
        for method in methods:
            around(patches, getattr(module, name), method, _by_keyword(f"{name}.{method}"))


def _by_keyword(other: str) -> Make:
    def make(_client: Any, *_args: Any, **kwargs: Any) -> Span:
        return model(_text(kwargs.get("model"), other))

    return make


def _text(name: Any, other: str) -> str:
    return name if isinstance(name, str) else other


def _patch_litellm(patches: Patches, module: Any) -> None:
    for name in ("completion", "acompletion"):
        around(patches, module, name, _litellm)


def _litellm(*args: Any, **kwargs: Any) -> Span:
    asked = _text(args[0] if args else kwargs.get("model"), "litellm")
    # The provider in front is litellm's; the library below it is asked for the rest.
    return model(asked if kwargs.get("custom_llm_provider") else asked.partition("/")[2] or asked)
