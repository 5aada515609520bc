"""Scripts for the endpoint's tests."""


def tools(settings, seed):
    """Call a tool until there is a result, then answer with it."""

    def answer(messages, tools):
        results = [message["content"] for message in messages if message["role"] == "tool"]
        if results:
            return {"content": f"found {results[-1]}"}
        name = tools[0]["function"]["name"]
        return {"content": None, "tool_calls": [{"name": name, "arguments": {"query": settings["query"]}}]}

    return answer


def broken(settings, seed):
    """Fail."""

    def answer(messages, tools):
        raise KeyError("gone")

    return answer
