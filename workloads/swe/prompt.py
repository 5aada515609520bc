"""What the model is told and shown, the same in both variants."""

from typing import Final

SENTINEL: Final = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
ACTION: Final = r"```bash\s*\n(.*?)\n```"
STEP_LIMIT: Final = 100
SHOWN_CHARACTERS: Final = 10_000
# Jinja templates, as mini-swe-agent takes them; only {{task}} varies.
SYSTEM: Final = """\
You are a software engineer who works through a shell.
Every reply has a THOUGHT, which says what you are about to do and why, and then exactly one command:

THOUGHT: I look at what is here.

```bash
ls -la
```

A reply without exactly one such block is rejected."""
INSTANCE: Final = """\
Resolve this issue:

{{task}}

You are in the root of the repository. Each command runs in a new shell there, so neither `cd` nor variables last.
Work like this:
1. Find the code that is concerned, and read it.
2. Run the failing test and see it fail.
3. Correct the source with as small a change as will do.
4. Run the tests again.
5. When they pass, hand in your change with `echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git diff`.
   Nothing can be done after that."""
OBSERVATION: Final = """\
{% if output.exception_info %}<exception>{{ output.exception_info }}</exception>
{% endif %}<returncode>{{ output.returncode }}</returncode>
<output>
{% if output.output | length <= 10000 %}{{ output.output }}{% else %}{{ output.output[:5000] }}
... {{ output.output | length - 10000 }} characters left out ...
{{ output.output[-5000:] }}{% endif %}</output>"""
REJECTED: Final = "Give exactly one command in a ```bash block; there were {{ actions | length }}."


def observation(output: str, returncode: int, exception: str = "") -> str:
    """Return what OBSERVATION renders to."""
    raised = f"<exception>{exception}</exception>\n" if exception else ""
    left_out = len(output) - SHOWN_CHARACTERS
    if left_out > 0:
        half = SHOWN_CHARACTERS // 2
        output = f"{output[:half]}\n... {left_out} characters left out ...\n{output[-half:]}"
    return f"{raised}<returncode>{returncode}</returncode>\n<output>\n{output}</output>"
