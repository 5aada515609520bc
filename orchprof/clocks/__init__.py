"""Model clocks: where a request's time went by the server's own reply. Standard library only, pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from orchprof.clocks import groq, llama_cpp, ollama, own
from orchprof.clocks.model_clock import Clock, balanced

__all__ = ["FIELDS", "READERS", "Clock", "read"]

# In order of trust. A new server is one file and one line here.
READERS: Final[dict[str, Callable[[Mapping[str, Any], Mapping[str, str]], Clock | None]]] = {
    "orchprof": own.read,
    "llama.cpp": llama_cpp.read,
    "ollama": ollama.read,
    "groq": groq.read,
}

# The top-level keys of a reply's body that a capture has to keep for the readers: nothing else is needed.
FIELDS: Final = frozenset({own.FIELD, llama_cpp.FIELD}) | ollama.FIELDS | groq.FIELDS


def read(body: Mapping[str, object], headers: Mapping[str, str]) -> Clock | None:
    """Return the server's own account of one request; None when it gives none that is understood.

    Args:
        body: the JSON object of the reply; of a stream, what its events say together. Only the keys in `FIELDS` matter.
        headers: the reply's headers.
    """
    for reader in READERS.values():
        clock = reader(body, headers)
        if clock is not None:
            return balanced(clock)
    return None
