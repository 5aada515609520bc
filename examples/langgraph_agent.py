"""An agent of LangChain's create_agent, which runs as a LangGraph graph."""

import os

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from tools import add, population


def main() -> None:
    """Ask the agent one question and print its answer."""
    model = ChatOpenAI(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"))
    agent = create_agent(model, [population, add], name="city_agent")
    question = {"role": "user", "content": "How many people live in Paris and Berlin together?"}
    answer = agent.invoke({"messages": [question]})
    print(answer["messages"][-1].content)


if __name__ == "__main__":
    main()
