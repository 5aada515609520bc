"""mini-swe-agent's own agent, model and environment: its one tool is bash, which runs the tools as programs."""

import os
import sys
from pathlib import Path

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

SYSTEM = (
    """You answer by running shell commands. `$TOOLS population CITY` and `$TOOLS add A B` print numbers."""
)
TOOLS = f"{sys.executable} {Path(__file__).parent / 'tools.py'}"


def main() -> None:
    """Give the agent one question and print what it hands in."""
    model = LitellmModel(
        model_name="openai/" + os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), cost_tracking="ignore_errors"
    )
    agent = DefaultAgent(
        model,
        LocalEnvironment(env={"TOOLS": TOOLS}),
        system_template=SYSTEM,
        instance_template="{{task}}",
    )
    print(agent.run("How many people live in Paris and Berlin together?")["submission"].strip())


if __name__ == "__main__":
    main()
