"""No framework, no client: the standard library's HTTP."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import orchprof

from ..framework import Ask, Setting
from .loop import TOOLS, Message, looping


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    url = urlsplit(setting.base_url)
    with closing(http.client.HTTPConnection(str(url.hostname), url.port)) as connection:

        @orchprof.model("chat")
        def complete(messages: list[Message]) -> Message:
            request = {"model": setting.model, "messages": messages, "tools": TOOLS}
            headers = {"content-type": "application/json"}
            connection.request("POST", f"{url.path}/chat/completions", json.dumps(request), headers)
            message: Message = json.loads(connection.getresponse().read())["choices"][0]["message"]
            return message

        yield looping(complete, setting)
