"""What the model says to the example agents: a function of the conversation, one per way in which tools are called.

Every run takes the same course: the populations of two cities (in one turn where the framework can do that), their
sum, and the answer.
"""

import json
from collections import Counter
from pathlib import Path

QUESTION = "How many people live in Paris and Berlin together?"
ANSWER = "Together 5787915 people live in Paris and Berlin."
POPULATIONS = [
    {"name": "population", "arguments": {"city": "Paris"}},
    {"name": "population", "arguments": {"city": "Berlin"}},
]
ADD = {"name": "add", "arguments": {"a": 2102650, "b": 3685265}}


def make(settings, seed):
    """Return the script of the style that the settings name; it appends a line per request to their tally, if any."""
    del seed
    say, tally = STYLES[settings.get("style") or next(iter(STYLES))], settings.get("tally")

    def script(messages, tools):
        if tally:
            with Path(tally).open("a") as file:
                file.write("request\n")
        return say(messages, tools)

    return script


def asked(messages):
    """Return how often each tool was called in the conversation so far, by OpenAI's own tool calls."""
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    return Counter(call["function"]["name"] for call in calls)


def offered(tools):
    """Return the names of the tools that the request offers."""
    return [tool["function"]["name"] for tool in tools]


def in_turn(messages, tools):
    """Both populations in one turn, then their sum, then the answer."""
    done = asked(messages)
    if not done["population"]:
        return {"tool_calls": POPULATIONS}
    if not done["add"]:
        return {"tool_calls": [ADD]}
    return {"content": ANSWER}


def one_by_one(messages, tools):
    """One tool call a turn, then the answer."""
    done = asked(messages).total()
    plan = [*POPULATIONS, ADD]
    return {"tool_calls": [plan[done]]} if done < len(plan) else {"content": ANSWER}


def handed_on(messages, tools):
    """The first agent hands the question to the other, who answers it."""
    hand_on = next((name for name in offered(tools) if name.startswith("transfer_to_")), None)
    if hand_on:
        return {"tool_calls": [{"name": hand_on, "arguments": {}}]}
    return in_turn(messages, tools)


def shell(messages, tools):
    """Every tool by a command of its own, the last of which hands in the answer."""
    done = asked(messages)["bash"]
    hand_in = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && $TOOLS add 2102650 3685265"
    plan = ["$TOOLS population Paris", "$TOOLS population Berlin", hand_in]
    return {"tool_calls": [{"name": "bash", "arguments": {"command": plan[done]}}]}


def react(messages, tools):
    """DSPy's fields: a thought and a tool's name and arguments each turn, in the end the answer."""
    said = messages[-1]["content"]
    if "next_tool_name" not in messages[0]["content"]:
        return {"content": _fields(reasoning="The sum is known.", answer=ANSWER)}
    done = said.count("[[ ## observation_")
    plan = [*POPULATIONS, ADD, {"name": "finish", "arguments": {}}]
    call = plan[done]
    arguments = json.dumps(call["arguments"])
    fields = {"next_thought": "Next.", "next_tool_name": call["name"], "next_tool_args": arguments}
    return {"content": _fields(**fields)}


def _fields(**values):
    return (
        "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in values.items())
        + "[[ ## completed ## ]]"
    )


def final_answer(messages, tools):
    """Smolagents' way: it tells earlier turns as text, and the answer is the call of a tool."""
    said = sum(message["role"] == "assistant" for message in messages)
    calls = [POPULATIONS, [ADD], [{"name": "final_answer", "arguments": {"answer": ANSWER}}]]
    return {"tool_calls": calls[said]}


def code(messages, tools):
    """Code that calls the tools: the agent runs it and shows what it printed."""
    said = sum(message["role"] == "assistant" for message in messages)
    lines = [
        'print(population(city="Paris"), population(city="Berlin"))',
        "print(add(a=2102650, b=3685265))",
        f"final_answer({ANSWER!r})",
    ]
    return {"content": f"Thought: I go on.\n<code>\n{lines[said]}\n</code>"}


STYLES = {
    "final_answer": final_answer,
    "code": code,
    "handed_on": handed_on,
    "in_turn": in_turn,
    "one_by_one": one_by_one,
    "react": react,
    "shell": shell,
}
