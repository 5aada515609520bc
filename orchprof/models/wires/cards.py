"""The list of models, which has one, and its card: OpenAI's and Anthropic's in one object, and Google's."""

from typing import Final

from orchprof.models.wires.ask import Json

GOOGLE: Final = "/v1beta/"


def listed(name: str, path: str) -> Json:
    """Return the list that is asked for at a path."""
    if path.startswith(GOOGLE):
        return {"models": [card(name, path)]}
    return {
        "object": "list",
        "data": [card(name, path)],
        "has_more": False,
        "first_id": name,
        "last_id": name,
    }


def card(name: str, path: str) -> Json:
    """Return the card of a model that is asked for at a path."""
    if path.startswith(GOOGLE):
        methods = ["generateContent", "streamGenerateContent", "countTokens"]
        return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
    anthropic = {"type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
    return {"id": name, "object": "model", "created": 0, "owned_by": "orchprof", **anthropic}
