"""Real compute through llama.cpp, on a model of two small layers."""

import json
import subprocess
import sys

import httpx
import pytest

from orchprof import clocks
from orchprof.errors import MissingExtraError, ModelError
from orchprof.models import gguf_writer
from orchprof.models.endpoint_process import start
from orchprof.models.script import ECHO

pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")
pytest.importorskip("tokenizers")

TINY = gguf_writer.Shape("tiny", 2, 64, 128, 2, 1, 1024, 2048)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    gguf_writer.write(path, TINY)
    assert [file.name for file in path.parent.iterdir()] == ["tiny.gguf"]
    return path


def _ask(endpoint, words, **more):
    messages = [{"role": "user", "content": "word " * words}]
    return httpx.post(
        f"{endpoint.base_url}/chat/completions",
        json={"model": endpoint.model, "messages": messages} | more,
        timeout=60,
    )


def test_the_script_s_words_at_the_model_s_pace(weights):
    with start(f"llama:{weights}", ECHO, {"output_tokens": 24, "context_tokens": 2048}) as endpoint:
        body = _ask(endpoint, 50).json()
        longer = _ask(endpoint, 200).json()
        streamed = _ask(endpoint, 50, stream=True).text.split("\n\n")
        refused = _ask(endpoint, 4000)
    assert endpoint.provenance == "measured"
    assert body["choices"][0]["message"]["content"] == "word " * 50
    assert body["usage"]["completion_tokens"] == 24
    assert body["usage"]["prompt_tokens"] < longer["usage"]["prompt_tokens"]
    assert body["orchprof"]["decisions"] == "scripted"
    clock, longer_clock = clocks.read(body, {}), clocks.read(longer, {})
    assert clock.provenance == "measured"
    assert clock.accelerator_ns is None
    assert clock.cached_tokens == 0
    assert 0 < clock.prefill_ns < longer_clock.prefill_ns
    assert clock.queue_ns + clock.prefill_ns + clock.decode_ns <= clock.total_ns
    chunks = [json.loads(line.removeprefix("data: ")) for line in streamed if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "word " * 50
    assert chunks[-1]["usage"]["completion_tokens"] == 24
    assert refused.status_code == 400
    assert "llama.cpp refused" in refused.json()["error"]["message"]


def test_a_user_s_weights_speak_for_themselves(weights):
    with start(f"llama:{weights}") as endpoint:
        body = _ask(endpoint, 5, max_tokens=6).json()
        streamed = _ask(endpoint, 5, max_tokens=6, stream=True).text
    assert body["orchprof"]["decisions"] == "model"
    assert 1 <= body["usage"]["completion_tokens"] <= 6
    assert body["choices"][0]["finish_reason"] in {"length", "stop"}
    assert streamed.endswith("data: [DONE]\n\n")
    assert '"decisions":"model"' in streamed


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="cannot load"), start(f"llama:{tmp_path / 'x.gguf'}"):
        pass


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'orchprof\[workloads\]'"):
        gguf_writer.write(tmp_path / "x.gguf", TINY)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_written_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = gguf_writer.cached(TINY)
    assert path == tmp_path / "orchprof" / "tiny-q8_0.gguf"
    written = path.stat().st_mtime_ns
    assert gguf_writer.cached(TINY).stat().st_mtime_ns == written


def test_the_endpoint_imports_nothing_heavy_before_it_is_asked():
    heavy = "('numpy', 'pandas', 'xllamacpp')"
    code = f"import sys, orchprof.models.endpoint; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
