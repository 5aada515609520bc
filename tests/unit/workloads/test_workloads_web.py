"""web: its pages, its summaries, its site, its prompt and its script, and both variants against an endpoint."""

import json
import pydoc
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from orchprof_workloads import far, web
from orchprof_workloads.web import corpus, prompt, render, script, tasks, text

MODULES = (
    "argparse",
    "calendar",
    "configparser",
    "difflib",
    "ftplib",
    "logging",
    "pathlib",
    "smtplib",
    "threading",
)
TOOLS = {"search_pages": 1, "fetch_page": 2, "extract_text": 2, "summarise": 2}


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The pages of a few modules, so that rendering them takes no time."""
    home = tmp_path_factory.mktemp("pages")
    for name in MODULES:
        (home / f"{name}.html").write_text(render.render(name))
    return home


@pytest.fixture
def settings(defaults, pages):
    return defaults(web, corpus=str(pages), delay_ms=1, summariser="numpy", output_tokens=0)


@pytest.fixture
def opened(serve, tmp_path):
    """Open an agent that is closed at the end."""
    agents = []

    def start(settings, variant="bare"):
        agents.append(web.open(settings, 1, variant, serve(web, settings).url, "m", tmp_path))
        return agents[-1]

    yield start
    for agent in agents:
        agent.close()


def test_a_page_is_what_pydoc_writes(monkeypatch, tmp_path):
    import calendar

    monkeypatch.chdir(tmp_path)
    pydoc.writedoc(calendar)
    assert render.render("calendar") == (tmp_path / "calendar.html").read_text()


def test_every_top_level_module_that_documents_anything_has_a_page():
    found = render.modules()
    assert {"json", "os", "ssl", "zipfile"} <= set(found)
    assert not {"antigravity", "this", "_socket"} & set(found)


@pytest.mark.parametrize("extractor", ["selectolax", "trafilatura"])
def test_extraction_keeps_what_a_page_says(extractor):
    said = (
        "The road goes ever on and on. It goes down from the door where it began. Now far ahead it has gone."
    )
    page = f"<html><head><style>p {{}}</style></head><body><p>{said}</p><script>no()</script></body></html>"
    assert text.extract(page, extractor).strip() == said
    assert text.extract("", extractor) == ""


def test_sentences_are_kept_once_and_headings_are_not():
    found = text.sentences(
        "Heading. This one has\nfive words. This one has five words. So has this one too! End"
    )
    assert found == ["This one has five words.", "So has this one too!"]
    assert text.words("Don't count 2 twice, snake_case!") == ["don't", "count", "twice", "snake", "case"]


@pytest.mark.parametrize("name", ["calendar", "threading"])
@pytest.mark.parametrize("count", [1, 10, 10_000])
def test_both_summarisers_choose_the_same_sentences(name, count, pages):
    said = text.extract((pages / f"{name}.html").read_text(), "selectolax")
    by_sumy, by_numpy = (text.summarise(said, count, summariser) for summariser in ("sumy", "numpy"))
    assert by_sumy == by_numpy
    assert len(by_numpy) == min(count, len(text.sentences(said)))


def test_the_most_central_sentence_is_the_one_that_is_like_the_others():
    similarities = np.array([[1, 0.2, 0.2], [0.2, 1, 0.05], [0.2, 0.05, 1]])
    # One step from (1, 1, 1) / 3 along the rows' shares gives (4/9, 5/18, 5/18), and the next changes little.
    scores = text._centrality(similarities)
    assert scores[0] > scores[1] == scores[2] > 0
    assert np.linalg.norm(scores) == pytest.approx(1)
    assert text.summarise("", 3, "numpy") == []


def test_only_pages_of_the_size_asked_for_are_indexed(settings, pages, tmp_path):
    sizes = {path.name: path.stat().st_size / 1000 for path in pages.iterdir()}
    chosen = [path.name for path in corpus._chosen(pages, 60, 100)]
    assert chosen == sorted(name for name, size in sizes.items() if 60 <= size <= 100)
    assert 0 < len(chosen) < len(MODULES)
    with pytest.raises(ValueError, match="no pages of that size"):
        corpus.index(tmp_path, settings)


def test_what_is_asked_is_in_one_page_and_in_its_summary(settings, opened, pages):
    tools = opened(settings).tools
    read = {path.name: text.extract(path.read_text(), "selectolax") for path in pages.iterdir()}
    asked = tools.questions()
    assert len(asked) >= 20
    for name, sentence in asked:
        holders = [page for page, said in read.items() if sentence in text.sentences(said)]
        assert holders == [name]
        assert sentence in text.summarise(read[name], settings["sentences"], "numpy")


def test_search_finds_words_and_survives_any_query(settings, opened):
    tools = opened(settings).tools
    assert tools.search_pages("SMTP mail server connection")[0] == "smtplib.html"
    assert len(tools.search_pages("argparse threading calendar")) == 2
    assert tools.search_pages('"') == tools.search_pages("") == tools.search_pages("zzzzqqqq") == []
    assert tools.search_pages('calendar" OR NEAR(') != []


def test_the_site_sends_files_of_its_folder_only(pages):
    site = far.Site(pages, 0)
    try:
        with urllib.request.urlopen(site.url("calendar.html")) as reply:
            assert reply.read() == (pages / "calendar.html").read_bytes()
        for name in ("nothing.html", "../secret", ""):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{site.base_url}/{name}")
            assert refused.value.code == 404
            refused.value.close()
    finally:
        site.close()


def test_as_many_pages_hang_as_are_asked_for():
    names = [f"page-{number}.html" for number in range(2_000)]
    assert sum(far.hangs(name, 25) for name in names) == pytest.approx(500, abs=100)
    assert not any(far.hangs(name, 0) for name in names)
    assert all(far.hangs(name, 100) for name in names)


def test_a_page_that_hangs_fails_the_task_with_a_reason(settings, opened, monkeypatch):
    agent = opened(settings | {"hang_percent": 100})
    monkeypatch.setattr(agent.tools._client, "timeout", 0.1)
    with pytest.raises(TimeoutError, match=r"\.html sent nothing for 10 s"):
        agent.run(0, 0)


def test_a_page_that_is_gone_fails_the_task(settings, opened):
    import httpx

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        opened(settings).tools.fetch_page("gone.html")


def test_pages_are_fetched_in_order_together_or_not(settings, opened):
    names = ["threading.html", "calendar.html"]
    one, both = opened(settings), opened(settings | {"fetch": "parallel"})
    assert one.tools.fetch_pages(names) == both.tools.fetch_pages(names)
    assert one.tools.fetch_pages([]) == both.tools.fetch_pages([]) == []


def test_the_prompt_can_be_read_back():
    asked = prompt.question('Say "it".')
    rendered = prompt.render(
        asked, [{"name": "a.html", "summary": "One. Two."}, {"name": "b", "summary": ""}]
    )
    assert prompt.parse(rendered) == ('Say "it".', [("a.html", "One. Two."), ("b", "")])
    assert prompt.parse("something else") == ("", [])


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [("Two it is.", "Answer: b"), ("Three it is.", prompt.UNKNOWN), ("", prompt.UNKNOWN)],
)
def test_the_script_names_the_page_whose_summary_holds_the_sentence(sentence, answer):
    assert script.choose(sentence, [("a", "One it is."), ("b", "One it is. Two it is.")]) == answer


def test_the_answer_is_padded_with_real_text_and_still_read(defaults):
    reply = script.make(defaults(web), 1)
    content = prompt.render(prompt.question("One it is."), [{"name": "a", "summary": "One it is."}])
    said = reply([{"role": "user", "content": content}], [])
    assert said["output_tokens"] == 256
    assert len(said["content"]) == 1024
    assert prompt.answered(said["content"]) == "a"


def test_tasks_are_shuffled_by_the_seed_alone():
    candidates = [(f"page {number}", f"sentence {number}") for number in range(30)]
    assert tasks.tasks(candidates, 1) == tasks.tasks(candidates, 1) != tasks.tasks(candidates, 2)
    assert {task.page for task in tasks.tasks(candidates, 1)} == {page for page, _ in candidates}
    with pytest.raises(ValueError, match="too few questions, 19"):
        tasks.tasks(candidates[:19], 1)


def test_both_variants_ask_the_same_and_do_the_same(serve, settings, labels, tmp_path):
    answers, asked, called = {}, {}, {}
    for variant in web.VARIANTS:
        endpoint = serve(web, settings)
        agent = web.open(settings, 1, variant, endpoint.url, "m", tmp_path)
        labels.clear()
        with ThreadPoolExecutor(2) as pool:
            answers[variant] = list(pool.map(agent.run, range(20), [0, 1] * 10))
        called[variant] = Counter(name for role, name in labels if role in ("tool", "client"))
        asked[variant] = sorted(
            json.dumps(request["messages"], sort_keys=True) for request in endpoint.requests
        )
        right = [agent.check(number, answer) for number, answer in enumerate(answers[variant])].count(None)
        assert right >= 16
        agent.close()
    assert answers["langgraph"] == answers["bare"]
    assert asked["langgraph"] == asked["bare"]
    assert called["langgraph"] == called["bare"]
    assert called["bare"] == {name: 20 * each for name, each in (TOOLS | {"chat": 1}).items()}


def test_a_wrong_tool_gives_a_wrong_answer(settings, opened, monkeypatch):
    agent = opened(settings)
    right = next(number for number in range(20) if agent.check(number, agent.run(number, 0)) is None)
    page = agent.tasks[right].page
    assert agent.check(right, "Answer: other") == f"answered 'other', expected {page!r}"
    for tool, wrong in (("summarise", "Nothing."), ("extract_text", "Nothing."), ("search_pages", [])):
        with monkeypatch.context() as patch:
            patch.setattr(agent.tools, tool, lambda _, wrong=wrong: wrong)
            assert agent.check(right, agent.run(right, 0)) == f"did not know, expected {page!r}"


@pytest.mark.parametrize(
    ("changed", "variant", "message"),
    [
        ({"fetch": "later"}, "bare", "unknown fetch, 'later' @ web, choose from sequential, parallel"),
        ({"extractor": "eyes"}, "bare", "unknown extractor, 'eyes' @ web"),
        ({"summariser": "me"}, "bare", "unknown summariser, 'me' @ web"),
        ({"pages": 0}, "bare", "pages is too small, 0 @ web, give 1 or more"),
        ({"corpus": "/nowhere"}, "bare", "no such corpus, '/nowhere' @ web"),
        ({}, "crewai", "unknown variant, 'crewai' @ web, choose from langgraph, bare"),
    ],
)
def test_bad_settings_are_refused(changed, variant, message, settings, tmp_path):
    with pytest.raises(ValueError, match=message):
        web.open(settings | changed, 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)
