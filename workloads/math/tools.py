"""The tool: a calculator that is asked over HTTP, or one in this process."""

import subprocess
import sys
from typing import Any

import httpx

import orchprof

from .calculator import CalculatorError, calculate, warm_up


class Local:
    """sympy in this process."""

    def __init__(self) -> None:
        warm_up()

    @orchprof.tool("calculate")
    def calculate(self, operation: str, expression: str) -> str:
        """Return the result.

        Raises:
            CalculatorError: there is none.
        """
        return calculate(operation, expression)

    def close(self) -> None:
        """Do nothing."""


class Remote:
    """A calculator service, asked over kept connections. Safe in threads."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._client = httpx.Client(base_url=url, timeout=timeout_s)

    @orchprof.tool("calculate")
    def calculate(self, operation: str, expression: str) -> str:
        """Return the result.

        Raises:
            CalculatorError: there is none: the service says why, or does not reply, or replies something else.
        """
        try:
            reply = self._client.post("/", json={"operation": operation, "expression": expression})
        except httpx.TimeoutException:
            raise CalculatorError(f"no reply within {self._timeout_s:g} s @ calculator service") from None
        except httpx.HTTPError as error:
            raise CalculatorError(f"no reply, {type(error).__name__}: {error} @ calculator service") from None
        return _result(reply)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Served(Remote):
    """A service of this workload's own, in a process that ends with it."""

    def __init__(self, delay_ms: int, timeout_s: float) -> None:
        command = [sys.executable, "-m", str(__package__), str(delay_ms)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            self._process.communicate()
            code = self._process.returncode
            raise RuntimeError(f"the calculator service did not start, exit {code} @ {command[2]}")
        self._process.wait()  # what was started has handed over to the service
        super().__init__(f"http://127.0.0.1:{int(port)}", timeout_s)

    def close(self) -> None:
        """Close the connections and end the service, which holds the other end of its output until then."""
        super().close()
        self._process.communicate()


def calculator(settings: dict[str, Any]) -> Local | Remote:
    """Return the calculator that the settings ask for, ready to be used.

    Raises:
        RuntimeError: the service did not start.
    """
    if settings["backend"] == "local":
        return Local()
    return Served(settings["delay_ms"], settings["timeout_s"])


def _result(reply: httpx.Response) -> str:
    """Return the result that a reply holds; a reply without one is an error that shows its beginning."""
    try:
        said = reply.json()
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("result"), str):
        return str(said["result"])
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        raise CalculatorError(said["error"])
    raise CalculatorError(
        f"a reply without a result, status {reply.status_code}, {reply.text[:60]!r} @ calculator service"
    )
