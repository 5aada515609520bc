"""From a page to its summary: extraction, sentences, and LexRank in two implementations that agree.

Source: Erkan and Radev, LexRank (JAIR 2004), with sumy's choices: a term's frequency is relative to its sentence's
most frequent term, similarities above 0.1 count as 1, and the power method stops at a change of 0.1.
"""

import re
from collections import Counter
from typing import Any, Final

import numpy as np

_THRESHOLD: Final = 0.1
_CHANGE: Final = 0.1
_WORDS: Final = (4, 60)  # shorter sentences are headings, longer ones are tables


def extract(page: str, extractor: str) -> str:
    """Return the text of an HTML page; "" when there is none.

    Raises:
        KeyError: an unknown extractor.
    """
    return _EXTRACTORS[extractor](page)


def _by_selectolax(page: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(page)
    tree.strip_tags(["script", "style"])
    body = tree.body
    return "" if body is None else str(body.text(separator="\n", strip=True))


def _by_trafilatura(page: str) -> str:
    import trafilatura

    return trafilatura.extract(page) or ""


_EXTRACTORS: Final = {"selectolax": _by_selectolax, "trafilatura": _by_trafilatura}


def sentences(text: str) -> list[str]:
    """Return a text's sentences in their order, each once: what a page repeats would be all of its summary."""
    least, most = _WORDS
    found = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    return [sentence for sentence in dict.fromkeys(found) if least <= len(sentence.split()) <= most]


def words(sentence: str) -> list[str]:
    """Return a sentence's words, which have letters only, in lower case."""
    return re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", sentence.casefold())


def summarise(text: str, count: int, summariser: str) -> list[str]:
    """Return at most `count` sentences of a text that are most like its others, in the text's order.

    Raises:
        KeyError: an unknown summariser.
    """
    found = sentences(text)
    return _SUMMARISERS[summariser](found, count) if found else []


def _by_sumy(found: list[str], count: int) -> list[str]:
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.summarizers.lex_rank import LexRankSummarizer

    document = ObjectDocumentModel([Paragraph([Sentence(sentence, _Words()) for sentence in found])])
    return [str(sentence) for sentence in LexRankSummarizer()(document, count)]


class _Words:
    """The part of sumy's tokenizer protocol that is asked for; its own needs a download."""

    def to_words(self, sentence: str) -> list[str]:
        """Return a sentence's words."""
        return words(sentence)


def _by_numpy(found: list[str], count: int) -> list[str]:
    scores = _centrality(_similarities([words(sentence) for sentence in found]))
    best = sorted(range(len(found)), key=lambda number: -scores[number])[:count]
    return [found[number] for number in sorted(best)]


_SUMMARISERS: Final = {"sumy": _by_sumy, "numpy": _by_numpy}


def _similarities(tokens: list[list[str]]) -> Any:
    """Return the cosines of the sentences' vectors, of shape (sentences, sentences)."""
    column = {
        word: number for number, word in enumerate(dict.fromkeys(word for line in tokens for word in line))
    }
    frequency = np.zeros((len(tokens), len(column)))
    for row, line in enumerate(tokens):
        counts = Counter(line)
        for word, count in counts.items():
            frequency[row, column[word]] = count / max(counts.values())
    sentences_with = (frequency > 0).sum(axis=0)
    vectors = frequency * np.log(len(tokens) / (1 + sentences_with))
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return units @ units.T


def _centrality(similarities: Any) -> Any:
    alike = (similarities > _THRESHOLD).astype(float)
    follows = (alike / np.maximum(alike.sum(axis=1, keepdims=True), 1)).T
    scores, change = np.full(len(alike), 1 / len(alike)), 1.0
    while change > _CHANGE:
        following = follows @ scores
        following /= np.linalg.norm(following)
        scores, change = following, float(np.linalg.norm(following - scores))
    return scores
