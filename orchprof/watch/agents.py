"""Agents: what coding agents need besides a variable so that their model calls go through the recording proxy.

Sources: the agents' own documentation and behaviour, read on 2026-11-30: codex 0.171, gemini-cli 0.61, opencode 1.18,
claude-code 2.1, qwen-code 0.24.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_OPENAI, _ANTHROPIC = "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an agent is led to another address of its model.

    Attributes:
        says: what it needs, for a finding.
        options: given right after the program, `{VARIABLE}` is the proxy's address for that variable.
        environment: set for it likewise, where it is not set already.
        settings: a file of settings it needs, by the variable that names such a file.
        spoils: variables that do harm unless the rest is done too: not set unless the recipe is asked for.
    """

    says: str
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    spoils: frozenset[str] = frozenset()

    @property
    def needed(self) -> bool:
        """Whether it does anything: some agents need no more than the variable."""
        return bool(self.options or self.environment or self.settings)


RECIPES: Final[dict[str, Recipe]] = {
    "codex": Recipe(
        "codex ignores OPENAI_BASE_URL and reads `-c openai_base_url=URL`",
        options=("-c", "openai_base_url={OPENAI_BASE_URL}"),
    ),
    "gemini": Recipe(
        'gemini wants `"security": {"auth": {"selectedType": "gemini-api-key"}}` in its settings beside a base URL',
        settings={
            "GEMINI_CLI_SYSTEM_SETTINGS_PATH": {"security": {"auth": {"selectedType": "gemini-api-key"}}}
        },
        spoils=frozenset({"GOOGLE_GEMINI_BASE_URL"}),
    ),
    "claude": Recipe(
        "claude turns tool search off behind a base URL unless ENABLE_TOOL_SEARCH is set",
        environment={"ENABLE_TOOL_SEARCH": "true"},
    ),
    "opencode": Recipe(
        "opencode wants the version in ANTHROPIC_BASE_URL",
        environment={_ANTHROPIC: "{" + _ANTHROPIC + "}/v1"},
    ),
    "qwen": Recipe("qwen reads OPENAI_BASE_URL"),
}


def recipe_of(command: Sequence[str]) -> Recipe | None:
    """Return the recipe of the agent that a command starts, by its program's name; None for any other."""
    return RECIPES.get(Path(command[0]).name)


def applied(
    recipe: Recipe, command: Sequence[str], addresses: Mapping[str, str], folder: Path
) -> tuple[list[str], dict[str, str]]:
    """Return a command and what to set for it so that its calls go through the proxy.

    Args:
        recipe: of the agent.
        command: as it was given.
        addresses: of the proxy, by the variable.
        folder: where a file of settings may be written.
    """
    options = [option.format_map(addresses) for option in recipe.options]
    environment = {name: value.format_map(addresses) for name, value in recipe.environment.items()}
    for name, settings in recipe.settings.items():
        path = folder / f"{name.lower()}.json"
        path.write_text(json.dumps(settings))
        environment[name] = str(path)
    return [command[0], *options, *command[1:]], environment
