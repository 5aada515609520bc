"""chem: what is known of its molecules, its library, its literature, its tools and its script, and both variants."""

import json
import re
import shutil
import sysconfig
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from orchprof_workloads import chem
from orchprof_workloads.chem import data, literature, prompt, script, tasks, tools
from orchprof_workloads.rag import corpus

MODULES = ("argparse", "calendar", "configparser", "difflib", "pathlib", "statistics", "threading")
SIZES = {"light": (8, 17), "medium": (21, 37), "heavy": (43, 76)}
# g/mol: IUPAC's abridged standard atomic weights of 2021.
ATOMIC = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "S": 32.06, "Cl": 35.45, "Br": 79.904,
}  # fmt: skip
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.fixture(autouse=True)
def stdlib(monkeypatch, tmp_path_factory):
    """A standard library of a few modules, so that reading it takes no time."""
    home = tmp_path_factory.getbasetemp() / "stdlib"
    if not home.exists():
        home.mkdir()
        for name in MODULES:
            shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py", home)
    monkeypatch.setattr(corpus, "_stdlib", lambda: home)


@pytest.fixture
def settings(defaults):
    return defaults(chem, corpus="stdlib", molecules="light")


@pytest.fixture
def kit(settings, monkeypatch):
    """The tools, with a library that is read quickly."""
    monkeypatch.setattr(tools, "library", lambda: data.library()[:70])
    made = tools.Tools(settings)
    yield made
    made.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_table_agrees_with_atomic_weights_and_with_the_structures(size):
    from rdkit import Chem

    least, most = SIZES[size]
    known = data.molecules(size)
    assert len({one.name for one in known}) == len({one.smiles for one in known}) == len(known) >= 20
    for one in known:
        counts = {symbol: int(n or 1) for symbol, n in re.findall(r"([A-Z][a-z]?)(\d*)", one.formula)}
        assert one.atoms == sum(counts.values())
        assert one.weight == pytest.approx(sum(ATOMIC[s] * n for s, n in counts.items()), abs=0.08), one.name
        bare = Chem.MolFromSmiles(one.smiles)
        atoms = Counter(atom.GetSymbol() for atom in Chem.AddHs(bare).GetAtoms())
        assert atoms == counts, one.name
        assert least <= bare.GetNumAtoms() <= most


def test_the_library_holds_what_its_blocks_bring():
    from rdkit import Chem

    molecules = [Chem.MolFromSmiles(smiles) for smiles in data.library()]
    assert len({Chem.MolToSmiles(molecule) for molecule in molecules}) == len(molecules) == 42 * 70
    groups = {group for block in data.blocks() for group in block.groups} - {""}
    assert groups == set(script.SMARTS)
    for group, smarts in script.SMARTS.items():
        pattern = Chem.MolFromSmarts(smarts)
        found = sum(molecule.HasSubstructMatch(pattern) for molecule in molecules)
        assert found == data.holding(group) > 0, group


def test_a_group_is_counted_by_hand(monkeypatch):
    acids = [
        data.Block(acid=True, fragment="C", groups=frozenset()),
        data.Block(acid=True, fragment="ClC", groups=frozenset({"chlorine"})),
    ]
    others = [
        data.Block(acid=False, fragment="OC", groups=frozenset()),
        data.Block(acid=False, fragment="OCCCl", groups=frozenset({"chlorine"})),
    ]
    monkeypatch.setattr(data, "blocks", lambda: acids + others)
    assert data.library() == ["CC(=O)OC", "CC(=O)OCCCl", "ClCC(=O)OC", "ClCC(=O)OCCCl"]
    assert data.holding("chlorine") == 3
    assert data.holding("bromine") == 0


CANDIDATES = [(f"title {number}", f"sentence {number}") for number in range(30)]


@pytest.mark.parametrize("size", SIZES)
def test_the_tasks_differ_and_come_from_the_seed(size):
    made = tasks.tasks(size, 5, CANDIDATES, 1)
    assert made == tasks.tasks(size, 5, CANDIDATES, 1) != tasks.tasks(size, 5, CANDIDATES, 2)
    assert len({task.question for task in made}) == len(made) >= 20 * 14
    names = [task.question.split(",")[0] for task in made]
    first = names[: len(data.molecules(size))]
    assert len(set(first)) == len(first) >= 20
    with pytest.raises(ValueError, match="too few questions, 19"):
        tasks.tasks(size, 5, CANDIDATES[:19], 1)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_question_asks_for_as_many_lines_as_there_are_tools(number):
    asked = prompt.question("aspirin", ASPIRIN, "furan", 'Say "it" {once}.', number)
    assert prompt.items(asked) == number
    held = {"smiles": ASPIRIN, "group": "furan", "sentence": 'Say "it" {once}.'}
    assert prompt.parse(asked) == dict(list(held.items())[: 1 if number < 4 else number - 2])
    (task, *_) = tasks.tasks("light", number, CANDIDATES, 1)
    assert list(task.known) == ["formula", "weight", "atoms", "library", "entry"][:number]


KNOWN = tasks.Task(
    "", {"formula": "C9H8O4", "weight": "180.16", "atoms": "21", "library": "288", "entry": "a.b"}
)
RIGHT = {"formula": "C9H8O4", "weight": "180.159", "atoms": "21", "library": "288", "entry": "a.b"}


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, None),
        ({"formula": "C9H8O5"}, "formula C9H8O5 reported, expected C9H8O4"),
        ({"weight": "180.3"}, "weight 180.3 reported, expected 180.16"),
        ({"weight": "heavy"}, "weight heavy reported, expected 180.16"),
        ({"atoms": "13"}, "atoms 13 reported, expected 21"),
        ({"library": "0"}, "library 0 reported, expected 288"),
        ({"entry": "unknown"}, "entry unknown reported, expected a.b"),
    ],
)
def test_a_report_is_judged_by_what_is_known(changed, wrong):
    assert tasks.judge(KNOWN, prompt.report(RIGHT | changed)) == wrong


def test_a_line_that_is_missing_is_named():
    assert tasks.judge(KNOWN, "I cannot find that out.") == "no formula reported, expected C9H8O4"


def test_the_tools_know_aspirin(kit):
    parsed = json.loads(kit.parse_smiles("O=C(O)c1ccccc1OC(C)=O"))
    assert parsed == {"smiles": ASPIRIN, "formula": "C9H8O4", "heavy_atoms": 13}
    described = json.loads(kit.describe(ASPIRIN))
    assert described["MolWt"] == pytest.approx(180.16, abs=0.01)
    assert (described["NumHDonors"], described["RingCount"]) == (1, 1)
    embedded = json.loads(kit.embed_3d(ASPIRIN))
    assert embedded["atoms"] == 21
    assert kit.embed_3d(ASPIRIN) == kit.embed_3d(ASPIRIN)
    counted = json.loads(kit.search_library("C(=O)O[#6]"))
    assert (counted["count"], counted["of"], len(counted["examples"])) == (20, 70, 5)


def test_more_conformers_find_no_higher_energy(settings, kit):
    more = tools.Tools(settings | {"conformers": 3})
    one, three = (json.loads(made.embed_3d(ASPIRIN)) for made in (kit, more))
    assert three["conformers"] == 3
    assert three["energy_kcal_per_mol"] <= one["energy_kcal_per_mol"] + 0.01
    more.close()


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("embed_3d", "C1#CC1", "no 3-D structure within 60 s, 1 asked for @ C1#CC1"),
        ("embed_3d", "FS(F)(F)(F)(F)F", "no force field, MMFF lacks an atom type @ FS"),
        ("embed_3d", "banana", "not a molecule, 'banana' @ SMILES"),
        ("parse_smiles", "", "not a molecule, '' @ SMILES"),
        ("describe", "C1CC", "not a molecule, 'C1CC' @ SMILES"),
        ("search_library", "C(", r"not a substructure, 'C\(' @ SMARTS"),
    ],
)
def test_a_tool_without_a_result_says_why(name, argument, message, kit, capfd):
    with pytest.raises(tools.ChemistryError, match=message):
        getattr(kit, name)(argument)
    assert capfd.readouterr() == ("", "")


def test_distances_that_lead_nowhere_are_tried_from_random_starts(kit):
    atazanavir = (
        "CC(C)(C)[C@@H](C(=O)N[C@@H](CC1=CC=CC=C1)[C@H](CN(CC2=CC=C(C=C2)C3=CC=CC=N3)NC(=O)"
        "[C@H](C(C)(C)C)NC(=O)OC)O)NC(=O)OC"
    )
    assert json.loads(kit.embed_3d(atazanavir))["atoms"] == 38 + 52 + 6 + 7


def test_literature_is_found_by_any_of_its_words_and_best_first(tmp_path):
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(
            f"Paper {number} says that number {number} is the answer here. More of it."
        )
    (tmp_path / "twin.txt").write_text("Paper 3 says that number 3 is the answer here. More of it.")
    found = literature.Literature(str(tmp_path), 0)
    assert found.search("paper 17?")[0]["title"] == "17.txt#1"
    assert len(found.search("paper")) == 5
    assert found.search('"unheard" *') == found.search("!?") == []
    asked = dict(found.questions())
    assert len(asked) == 29
    assert asked["17.txt#1"] == "Paper 17 says that number 17 is the answer here."
    assert not {"3.txt#1", "twin.txt#1"} & set(asked)
    found.close()


def test_an_empty_folder_is_no_literature(tmp_path):
    with pytest.raises(ValueError, match="no passages @ chem corpus"):
        literature.Literature(str(tmp_path), 0)


class Conversation:
    """What the script is sent, and what it says next."""

    def __init__(self, settings, question):
        self.reply = script.make(settings, 1)
        self.messages = [{"role": "system", "content": ""}, {"role": "user", "content": question}]

    def next(self):
        said = self.reply(self.messages, [])
        calls = [
            {"id": f"c{len(self.messages)}", "function": {"name": call["name"], "arguments": ""}}
            for call in said["tool_calls"]
        ]
        self.messages.append({"role": "assistant", "content": said["content"], "tool_calls": calls})
        return said

    def show(self, result):
        call = self.messages[-1]["tool_calls"][0]["id"]
        self.messages.append({"role": "tool", "tool_call_id": call, "content": result})
        return self.next()


def test_the_script_reports_what_the_tools_said(settings):
    question = prompt.question("aspirin", "OC", "furan", "Some words.", 5)
    talk = Conversation(settings, question)
    said = [
        talk.next(),
        talk.show('{"smiles": "CO", "formula": "CH5"}'),
        talk.show('{"MolWt": 1.5}'),
        talk.show('{"atoms": 2}'),
        talk.show('{"count": 3}'),
    ]
    calls = [(call["name"], call["arguments"]) for turn in said for call in turn["tool_calls"]]
    assert calls == [
        ("parse_smiles", {"smiles": "OC"}),
        ("describe", {"smiles": "CO"}),
        ("embed_3d", {"smiles": "CO"}),
        ("search_library", {"smarts": "c1ccoc1"}),
        ("search_literature", {"query": "Some words."}),
    ]
    found = [{"title": "a", "text": "Other. Some  words."}, {"title": "b", "text": "some words. Other."}]
    told = "formula: CH5\nweight: 1.5\natoms: 2\nlibrary: 3\nentry: "
    assert talk.show(json.dumps(found)) == {"content": f"{told}b", "tool_calls": []}
    talk.messages[-2]["content"] = "[]"
    assert talk.reply(talk.messages[:-1], [])["content"] == f"{told}unknown"


@pytest.mark.parametrize("result", ["no such thing", "{}", "[]", "3"])
def test_the_script_gives_up_on_what_it_does_not_understand(result, settings):
    talk = Conversation(settings, prompt.question("aspirin", "OC", "furan", "Some words.", 2))
    talk.next()
    assert talk.show(result) == {"content": "I cannot find that out.", "tool_calls": []}


def test_turns_are_padded_to_their_length_and_still_read(defaults):
    talk = Conversation(
        defaults(chem, output_tokens=100), prompt.question("aspirin", "OC", "furan", "Words.", 1)
    )
    called, told = talk.next(), talk.show('{"formula": "CH4O"}')
    for said in (called, told):
        assert said["output_tokens"] == 100
        assert len(said["content"] + "".join(map(str, said["tool_calls"]))) == pytest.approx(400, abs=8)
    assert prompt.reported(told["content"])["formula"] == "CH4O"


def asked(endpoint):
    """Return what an endpoint was sent, without what a framework adds."""
    return sorted(
        json.dumps([
            [(message["role"], message.get("content")) for message in request["messages"]],
            [tool["function"]["name"] for tool in request["tools"]],
            [tool["function"]["parameters"]["required"] for tool in request["tools"]],
        ])
        for request in endpoint.requests
    )  # fmt: skip


def test_both_variants_ask_the_same_and_do_the_same(serve, settings, labels, tmp_path):
    answers, sent, called = {}, {}, {}
    for variant in chem.VARIANTS:
        endpoint = serve(chem, settings)
        agent = chem.open(settings, 1, variant, endpoint.url, "m", tmp_path)
        agent.prepare(0, 0)
        labels.clear()
        with ThreadPoolExecutor(2) as pool:
            answers[variant] = list(pool.map(agent.run, range(4), range(4)))
        called[variant] = Counter(label for label in labels if label[0] in ("tool", "client"))
        sent[variant] = asked(endpoint)
        assert [agent.check(number, answer) for number, answer in enumerate(answers[variant])] == [None] * 4
        agent.close()
    assert answers["langgraph"] == answers["bare"]
    assert sent["langgraph"] == sent["bare"]
    expected = {("tool", name): 4 for name in prompt.NAMES} | {("client", "chat"): 24}
    assert called["langgraph"] == called["bare"] == expected


@pytest.mark.parametrize("variant", chem.VARIANTS)
def test_a_tool_that_fails_fails_the_task_and_a_wrong_one_misleads_it(variant, serve, settings, tmp_path):
    endpoint = serve(chem, settings | {"tools": 3})
    agent = chem.open(settings | {"tools": 3}, 1, variant, endpoint.url, "m", tmp_path)
    question = prompt.question("cyclopropyne", "C1#CC1", "", "", 3)
    with pytest.raises(tools.ChemistryError, match="no 3-D structure"):
        agent.ask(question)
    wrong = agent.ask(agent.tasks[0].question.replace("SMILES ", "SMILES C."))
    assert "reported, expected" in agent.check(0, wrong)
    agent.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"name": "brew", "arguments": {}}, "not a call of a tool, brew"),
        ({"name": "describe", "arguments": {}}, "not a call of a tool, describe"),
    ],
)
def test_a_call_that_makes_no_sense_is_an_error(call, message, serve, settings, tmp_path):
    endpoint = serve(chem, settings)
    endpoint.script = lambda *_: {"content": "", "tool_calls": [call]}
    agent = chem.open(settings, 1, "bare", endpoint.url, "m", tmp_path)
    with pytest.raises(ValueError, match=message):
        agent.run(0, 0)
    agent.close()


def test_an_agent_that_never_ends_is_stopped(serve, settings, tmp_path):
    from langgraph.errors import GraphRecursionError

    call = {"name": "parse_smiles", "arguments": {"smiles": "C"}}
    for variant in chem.VARIANTS:
        endpoint = serve(chem, settings)
        endpoint.script = lambda *_: {"content": "", "tool_calls": [call]}
        agent = chem.open(settings, 1, variant, endpoint.url, "m", tmp_path)
        if variant == "bare":
            assert agent.run(0, 0) == ""
        else:
            with pytest.raises(GraphRecursionError):
                agent.run(0, 0)
        assert len(endpoint.requests) == prompt.STEP_LIMIT
        agent.close()


@pytest.mark.parametrize(
    ("changed", "variant", "message"),
    [
        ({"molecules": "huge"}, "bare", "unknown molecules, 'huge' @ chem, choose from light, medium, heavy"),
        ({"conformers": 0}, "bare", "conformers is too small, 0 @ chem"),
        ({"tools": 6}, "bare", "tools is too large, 6 @ chem, give 5 or less"),
        ({"corpus": "/nowhere"}, "bare", "no such corpus, '/nowhere' @ rag"),
        ({}, "chemcrow", "unknown variant, 'chemcrow' @ chem"),
    ],
)
def test_bad_settings_are_refused(changed, variant, message, settings, tmp_path):
    with pytest.raises(ValueError, match=message):
        chem.open(settings | changed, 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)
