"""rag: its corpus, its index, its prompt and its script, and both variants against an endpoint."""

import asyncio
import json
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from orchprof_workloads import rag
from orchprof_workloads.rag import corpus, index, prompt, script, tasks

MODULES = ("argparse", "calendar", "configparser", "difflib", "ftplib", "pathlib", "statistics", "threading")
TOOLS = ("embed_query", "search_docs", "fetch_passages")


@pytest.fixture(autouse=True)
def stdlib(monkeypatch, tmp_path_factory):
    """A standard library of a few modules, so that reading it takes no time."""
    home = tmp_path_factory.getbasetemp() / "stdlib"
    if not home.exists():
        home.mkdir()
        for name in MODULES:
            shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py", home)
    monkeypatch.setattr(corpus, "_stdlib", lambda: home)
    return home


@pytest.fixture
def settings(defaults):
    return defaults(rag, corpus="stdlib")


def test_docstrings_get_qualified_names_and_private_ones_are_left_out(monkeypatch, tmp_path):
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").write_text('"""Shapes of every kind that can be drawn."""\n')
    (tmp_path / "shapes" / "circle.py").write_text(
        "class Circle:\n"
        '    """A circle.\n\n    It is round."""\n'
        "    def area(self):\n"
        '        """Return the area of this circle in square metres. Always positive."""\n'
        '        def inner():\n            """Not documented."""\n'
        "    def _secret(self):\n"
        '        """Not for you."""\n'
        "async def draw():\n"
        '    """Draw."""\n'
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_shapes.py").write_text('"""Not documentation."""')
    (tmp_path / "broken.py").write_text("def (")
    monkeypatch.setattr(corpus, "_stdlib", lambda: tmp_path)
    found = {passage.title: passage for passage in corpus.read("stdlib", 0)}
    assert set(found) == {"shapes", "shapes.circle.Circle", "shapes.circle.Circle.area", "shapes.circle.draw"}
    assert found["shapes.circle.Circle.area"].sentence == "Return the area of this circle in square metres."
    assert found["shapes.circle.Circle"] == corpus.Passage(
        "shapes.circle.Circle", "A circle. It is round.", None
    )


def test_long_text_is_cut_into_passages_of_which_the_first_can_be_asked_for():
    text = "Return what is asked of it here. " + "word " * 195
    first, second, third = corpus._split("f", text)
    assert [len(passage.text.split()) for passage in (first, second, third)] == [100, 100, 2]
    assert [passage.title for passage in (first, second, third)] == ["f", "f (2)", "f (3)"]
    assert [passage.sentence for passage in (first, second, third)] == [
        "Return what is asked of it here.",
        None,
        None,
    ]


def test_a_sample_does_not_depend_on_its_size():
    assert corpus.read("stdlib", 10) == corpus.read("stdlib", 0)[:10]
    assert len(corpus.read("stdlib", 10)) == 10


def test_own_files_are_read_and_whole_sentences_asked_about(tmp_path):
    page = "<html><style>p {}</style><p>One sentence of six words here. Another sentence of six words. End"
    (tmp_path / "page.html").write_text(f"{page}</p><script>no()</script>")
    (tmp_path / "image.png").write_bytes(b"\x89")
    (passage,) = corpus.read(str(tmp_path), 0)
    assert passage == corpus.Passage(
        "page.html#1",
        "One sentence of six words here. Another sentence of six words. End",
        "One sentence of six words here.",
    )


def test_a_changed_file_is_another_corpus(tmp_path):
    (tmp_path / "a.md").write_text("text")
    before = corpus.sources(str(tmp_path))
    (tmp_path / "a.md").write_text("other text")
    assert corpus.sources(str(tmp_path)) != before


def test_installed_packages_are_sources_with_their_versions():
    named = {line.partition(" ")[0] for line in corpus.sources("installed")}
    assert {"numpy", "pandas", "scipy", "networkx"} <= named
    assert len(corpus.sources("stdlib")) == 2


def test_only_sentences_of_one_passage_are_asked_about():
    passages = [
        corpus.Passage("a", "", "Shared by both."),
        corpus.Passage("b", "", "shared by BOTH."),
        corpus.Passage("c", "", "Its own."),
        corpus.Passage("d", "", None),
    ]
    assert index._unique(passages) == [("c", "Its own.")]


def test_the_embedding_is_the_mean_of_the_token_vectors():
    import wordllama
    from safetensors import safe_open
    from tokenizers import Tokenizer

    home = Path(wordllama.__file__).parent
    with safe_open(home / "weights" / "l2_supercat_256.safetensors", framework="np") as file:
        vectors = file.get_tensor("embedding.weight").astype(np.float32)
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    text = "Return the median of the data."
    mean = vectors[tokenizer.encode(text, add_special_tokens=False).ids].mean(axis=0)
    np.testing.assert_allclose(
        index.embedder().embed([text], norm=True)[0], mean / np.linalg.norm(mean), atol=1e-6
    )


def test_search_is_exact(settings):
    passages = corpus.read("stdlib", 0)
    texts = [f"{passage.title} {passage.text}" for passage in passages]
    query = index.embedder().embed(["the median of the data"], norm=True)[0]
    scores = index.embedder().embed(texts, norm=True) @ query
    tools = index.Tools(settings | {"top_k": 7})
    assert tools.passages == len(passages)
    found = tools.search_docs(tools.embed_query("the median of the data"))
    np.testing.assert_allclose(scores[found], np.sort(scores)[::-1][:7], atol=1e-5)
    fetched = tools.fetch_passages(found)
    assert [item["title"] for item in fetched] == [passages[key].title for key in found]
    assert [item["text"] for item in fetched] == [passages[key].text[:500] for key in found]
    tools.close()


def test_fewer_passages_than_top_k_are_all_found(settings):
    tools = index.Tools(settings | {"rows": 3, "top_k": 5})
    assert sorted(tools.search_docs(tools.embed_query("anything"))) == [0, 1, 2]
    tools.close()


def test_filler_makes_the_index_larger_and_is_never_found(settings):
    plain, filled = index.Tools(settings), index.Tools(settings | {"filler": 70_000})
    assert filled._index.ntotal == plain.passages + 70_000
    query = plain.embed_query("Return the median (middle value) of numeric data.")
    assert filled.search_docs(query) == plain.search_docs(query)
    plain.close()
    filled.close()


def test_opening_leaves_the_root_logger_alone():
    code = (
        "import logging\nfrom orchprof_workloads.rag import index\nindex.embedder()\n"
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    assert subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True) == "[] 30\n"


def test_tasks_are_shuffled_by_the_seed_alone():
    candidates = [(f"title {number}", f"sentence {number}") for number in range(30)]
    assert tasks.tasks(candidates, 1) == tasks.tasks(candidates, 1)
    assert tasks.tasks(candidates, 1) != tasks.tasks(candidates, 2)
    assert {task.title for task in tasks.tasks(candidates, 1)} == {title for title, _ in candidates}
    with pytest.raises(ValueError, match="too few questions, 19"):
        tasks.tasks(candidates[:19], 1)


def test_the_prompt_is_the_same_with_jinja_and_can_be_read_back():
    from haystack import Document
    from haystack.components.builders import PromptBuilder

    documents = [{"title": "a.b", "text": 'Say "it" {{ twice }} & <once>.'}, {"title": "c", "text": "More."}]
    asked = prompt.question('Say "it" {{ twice }} & <once>.')
    rendered = prompt.render(asked, documents)
    builder = PromptBuilder(prompt.TEMPLATE, required_variables="*")
    as_haystack = [Document(content=item["text"], meta={"title": item["title"]}) for item in documents]
    assert builder.run(documents=as_haystack, question=asked)["prompt"] == rendered
    assert prompt.parse(rendered) == (
        'Say "it" {{ twice }} & <once>.',
        [("a.b", 'Say "it" {{ twice }} & <once>.'), ("c", "More.")],
    )
    assert prompt.parse("something else") == ("", [])


@pytest.mark.parametrize(
    ("documents", "answer"),
    [
        (
            [("x", "Nothing of the kind here."), ("y", "First. Return the middle value of data. Last.")],
            "Answer: y",
        ),
        ([("x", "Return the middle value"), ("y", "a middle value of data, return it")], prompt.UNKNOWN),
        ([], prompt.UNKNOWN),
    ],
)
def test_the_script_names_the_document_that_holds_the_sentence(documents, answer):
    assert script.choose("Return the middle value of data.", documents) == answer


def test_the_answer_is_padded_with_real_text_and_still_read(defaults):
    reply = script.make(defaults(rag, output_tokens=100), 1)
    content = prompt.render(prompt.question("Return it."), [{"title": "a", "text": "Return it."}])
    said = reply([{"role": "user", "content": [{"type": "text", "text": content}]}], [])
    assert said["output_tokens"] == 100
    assert len(said["content"]) == 400
    assert prompt.answered(said["content"]) == "a"


def run_all(agent, count):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: agent.run(number, number % 4), range(count)))


def test_both_variants_ask_the_same_and_do_the_same(serve, settings, labels, tmp_path):
    answers, asked, called = {}, {}, {}
    for variant in rag.VARIANTS:
        endpoint = serve(rag, settings)
        agent = rag.open(settings, 1, variant, endpoint.url, "m", tmp_path)
        labels.clear()
        answers[variant] = run_all(agent, 100)
        called[variant] = Counter(name for role, name in labels if role in ("tool", "client"))
        asked[variant] = sorted(json.dumps(request["messages"]) for request in endpoint.requests)
        right = [agent.check(number, answer) for number, answer in enumerate(answers[variant])].count(None)
        assert right >= 80
        agent.close()
    assert answers["haystack"] == answers["bare"]
    assert asked["haystack"] == asked["bare"]
    assert called["haystack"] == called["bare"] == dict.fromkeys((*TOOLS, "chat"), 100)


@pytest.mark.parametrize("variant", rag.VARIANTS)
def test_asynchronous_runs_answer_the_same(variant, serve, settings, labels, tmp_path):
    agent = rag.open(settings, 1, variant, serve(rag, settings).url, "m", tmp_path)
    plain = [agent.run(number, 0) for number in range(8)]
    labels.clear()

    async def together():
        try:
            return await asyncio.gather(*(agent.arun(number, number) for number in range(8)))
        finally:
            await agent.aclose()

    assert asyncio.run(together()) == asyncio.run(together()) == plain
    assert Counter(name for role, name in labels if role == "tool") == dict.fromkeys(TOOLS, 16)
    agent.close()


def test_a_wrong_retrieval_fails_the_task(serve, settings, tmp_path, monkeypatch):
    agent = rag.open(settings, 1, "bare", serve(rag, settings).url, "m", tmp_path)
    agent.prepare(0, 0)
    right = next(number for number in range(20) if agent.check(number, agent.run(number, 0)) is None)
    monkeypatch.setattr(agent.tools, "search_docs", lambda _: [])
    title = agent.tasks[right].title
    assert agent.check(right, agent.run(right, 0)) == f"did not know, expected {title!r}"
    assert agent.check(right, "Answer: other") == f"answered 'other', expected {title!r}"
    agent.close()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"backend": "hnsw"}, "unknown backend, 'hnsw' @ rag, choose from exact"),
        ({"top_k": 0}, "top_k is too small, 0 @ rag"),
        ({"corpus": "/nowhere"}, "no such corpus, '/nowhere' @ rag"),
    ],
)
def test_bad_settings_are_refused(changed, message, settings, tmp_path):
    with pytest.raises(ValueError, match=message):
        rag.open(settings | changed, 1, "bare", "http://127.0.0.1:1/v1", "m", tmp_path)


def test_an_unknown_variant_and_an_empty_folder_are_refused(settings, tmp_path):
    with pytest.raises(ValueError, match="unknown variant, 'langgraph' @ rag"):
        rag.open(settings, 1, "langgraph", "http://127.0.0.1:1/v1", "m", tmp_path)
    with pytest.raises(ValueError, match="no passages"):
        rag.open(settings | {"corpus": str(tmp_path)}, 1, "bare", "http://127.0.0.1:1/v1", "m", tmp_path)
