"""A Llama of a known shape with random weights, as a GGUF file: real compute without a download.

The tokenizer is a byte-level BPE trained on the standard library's sources: text every Python has at hand.
"""

import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchprof import errors

if TYPE_CHECKING:
    import gguf
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

_BLOCK: Final = 32  # values that share a scale in q8_0
_TEXT_BYTES: Final = 6_000_000  # of sources to train on: more changes a token's length by under 1 %
_END: Final = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a Llama whose output layer is tied to its embedding."""

    name: str
    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int
    context_tokens: int
    rope_base: float = 100_000.0


# Source: SmolLM2-135M's published config.json.
SMOLLM2_135M: Final = Shape("smollm2-135m-random", 30, 576, 1536, 9, 3, 49_152, 8192)


def cache_directory() -> Path:
    """Return the user's cache directory for orchprof; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orchprof"


def cached(shape: Shape) -> Path:
    """Return the file of a shape in the cache, written first when it is not there."""
    path = cache_directory() / f"{shape.name}-q8_0.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _say(f"writing {path} once, about half a minute")
        write(path, shape)
    return path


def write(path: Path, shape: Shape) -> None:
    """Write a shape's GGUF file with q8_0 weights; it appears under its name only when it is whole.

    Raises:
        MissingExtraError: `gguf` or `tokenizers` is not installed.
    """
    try:
        import gguf
    except ImportError as error:
        raise missing("gguf") from error
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    writer = gguf.GGUFWriter(str(unfinished), "llama")
    try:
        _describe(writer, shape)
        _add_tokenizer(writer, shape)
        for name, values in _tensors(shape):
            _add_tensor(writer, name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def missing(package: str) -> errors.MissingExtraError:
    """Return the error for an optional package of the llama time source."""
    return errors.MissingExtraError(
        f"missing package, {package!r} @ llama models, run pip install 'orchprof[workloads]'"
    )


def _describe(writer: "gguf.GGUFWriter", shape: Shape) -> None:
    writer.add_name(shape.name)
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(writer: "gguf.GGUFWriter", shape: Shape) -> None:
    from gguf import TokenType

    tokens, merges = _train(shape.vocabulary)
    spare = [f"<|spare_{i}|>" for i in range(shape.vocabulary - len(tokens))]
    kinds = [int(TokenType.CONTROL), *[int(TokenType.NORMAL)] * (len(tokens) - 1)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*tokens, *spare])
    writer.add_token_types([*kinds, *[int(TokenType.UNUSED)] * len(spare)])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)  # noqa: FBT003


def _train(vocabulary: int) -> tuple[list[str], list[str]]:
    """Return the tokens by id, the end-of-text first, and the merges."""
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError as error:
        raise missing("tokenizers") from error
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    _say("training the tokenizer")
    tokenizer.train_from_iterator(_texts(), trainer)
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [token for token, _ in tokens], _merges(tokenizer)


def _merges(tokenizer: "Tokenizer") -> list[str]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def _texts() -> Iterator[str]:
    read = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        read += len(text)
        if read > _TEXT_BYTES:
            return
        yield text


def _tensors(shape: Shape) -> Iterator[tuple[str, "NDArray[np.float32]"]]:
    """Yield every tensor: matrices as out x in of small normal values, norms of ones."""
    import numpy as np

    random = np.random.default_rng(0)
    keys = shape.hidden // shape.heads * shape.kv_heads
    norm = np.ones(shape.hidden, dtype=np.float32)

    def matrix(rows: int, columns: int) -> "NDArray[np.float32]":
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(0.02)

    yield "token_embd.weight", matrix(shape.vocabulary, shape.hidden)
    yield "output_norm.weight", norm
    for layer in range(shape.layers):
        yield f"blk.{layer}.attn_norm.weight", norm
        yield f"blk.{layer}.attn_q.weight", matrix(shape.hidden, shape.hidden)
        yield f"blk.{layer}.attn_k.weight", matrix(keys, shape.hidden)
        yield f"blk.{layer}.attn_v.weight", matrix(keys, shape.hidden)
        yield f"blk.{layer}.attn_output.weight", matrix(shape.hidden, shape.hidden)
        yield f"blk.{layer}.ffn_norm.weight", norm
        yield f"blk.{layer}.ffn_gate.weight", matrix(shape.feed_forward, shape.hidden)
        yield f"blk.{layer}.ffn_up.weight", matrix(shape.feed_forward, shape.hidden)
        yield f"blk.{layer}.ffn_down.weight", matrix(shape.hidden, shape.feed_forward)


def _add_tensor(writer: "gguf.GGUFWriter", name: str, values: "NDArray[np.float32]") -> None:
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    if values.shape[1] % _BLOCK:
        raise ValueError(f"{name} has rows of {values.shape[1]} values, not a multiple of {_BLOCK}")
    from gguf import GGMLQuantizationType, quants

    kind = GGMLQuantizationType.Q8_0
    writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)


def _say(text: str) -> None:
    sys.stderr.write(f"orchprof: {text}\n")
    sys.stderr.flush()
