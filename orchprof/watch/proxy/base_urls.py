"""The variables by which agents find their model servers, and what a child's environment says instead.

Each variable has a path prefix of its own on the proxy's one port; its former value, else its vendor's default, is
where that prefix leads. Tried with codex, opencode, qwen, gemini, claude and the Node SDKs; LiteLLM's and goose's
names are by their documentation.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_OPENAI: Final = "https://api.openai.com"
_ANTHROPIC: Final = "https://api.anthropic.com"
_GEMINI: Final = "https://generativelanguage.googleapis.com"
_DEFAULTS: Final = {
    "OPENAI_BASE_URL": f"{_OPENAI}/v1",
    "OPENAI_API_BASE": f"{_OPENAI}/v1",
    "OPENAI_HOST": _OPENAI,
    "ANTHROPIC_BASE_URL": _ANTHROPIC,
    "ANTHROPIC_API_BASE": _ANTHROPIC,
    "ANTHROPIC_HOST": _ANTHROPIC,
    "GOOGLE_GEMINI_BASE_URL": _GEMINI,
}
# These have no default, or one that depends on the account: they are redirected where they are set.
_WHERE_SET: Final = frozenset({"AZURE_OPENAI_ENDPOINT", "GOOGLE_VERTEX_BASE_URL"})
VARIABLES: Final = frozenset({*_DEFAULTS, *_WHERE_SET})  # that are known by name
_LITELLM: Final = "_API_BASE"
# A request for loopback goes through one of these, where it is set.
_FORWARD_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_HOST: Final = "127.0.0.1"


def upstreams(environment: Mapping[str, str]) -> dict[str, str]:
    """Return where each redirected variable leads, by its name. What is no plain http(s) address is left alone."""
    given = {name: url for name, url in environment.items() if url and _is_known(name)}
    every = {**_DEFAULTS, **given}
    return {name: url.rstrip("/") for name, url in every.items() if _can_stand_behind(url)}


def _is_known(name: str) -> bool:
    return name in _DEFAULTS or name in _WHERE_SET or name.endswith(_LITELLM)


def _can_stand_behind(url: str) -> bool:
    """Return whether a path may be put after an address. Its user and password must not show in a command line."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
    return (
        is_whole
        and parts.scheme in ("http", "https")
        and not (parts.query or parts.fragment or parts.username)
    )


def prefix(variable: str) -> str:
    """Return the first part of the path by which requests for a variable's upstream come."""
    return variable.lower().replace("_", "-")


def address(variable: str, port: int) -> str:
    """Return what a variable is set to, for a proxy on that port."""
    return f"http://{_HOST}:{port}/{prefix(variable)}"


def changes(environment: Mapping[str, str], port: int) -> dict[str, str]:
    """Return the variables that are to be set for a child of this environment, for a proxy on that port."""
    redirected = {name: address(name, port) for name in upstreams(environment)}
    return redirected | _direct(environment)


def _direct(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps a request for loopback from a forward proxy. Programs read one of two names, or both."""
    if not any(environment.get(name) for name in _FORWARD_PROXIES):
        return {}
    kept = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    listed = ",".join(filter(None, [kept, _HOST]))
    return {"no_proxy": listed, "NO_PROXY": listed}


def target(url: str, path: str) -> str:
    """Return the path that an upstream is asked for.

    Agents disagree whether a base URL holds the version: `/v1` twice is once, and Anthropic's own address gets the one
    that is missing.

    Args:
        url: of the upstream.
        path: what the agent put after the prefix, query included.
    """
    parts = urlsplit(url)
    if parts.path.endswith("/v1") and path.startswith("/v1/"):
        path = path.removeprefix("/v1")
    if url == _ANTHROPIC and path.startswith(("/messages", "/models")):
        path = f"/v1{path}"
    return f"{parts.path.rstrip('/')}{path}" or "/"
