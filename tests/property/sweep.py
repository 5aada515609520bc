"""A second opinion on the measures: one nanosecond after the other, in exact fractions, with dicts and loops."""

from collections import defaultdict
from fractions import Fraction

from orchprof.ledger.labels import LABELS


def strands_of(graph):
    """Return per strand its pieces in order: (start, end, {label: fraction} or None for a JOIN, targets)."""
    pieces, targets = graph.pieces, graph.targets
    found = [[] for _ in graph.strands.id]
    for k in range(len(pieces.start)):
        start, end = int(pieces.start[k]), int(pieces.end[k])
        waits = [
            (int(s), int(p))
            for t, s, p in zip(targets.piece, targets.strand, targets.position, strict=True)
            if t == k
        ]
        parts = None if pieces.join[k] else _fractions(pieces.label[k], pieces.ns[k], end - start)
        found[pieces.strand[k]].append((start, end, parts, waits))
    return found


def _fractions(labels, ns, length):
    parts = defaultdict(Fraction)
    for label, each in zip(labels, ns, strict=True):
        if each:
            parts[LABELS[label]] += Fraction(int(each), length)
    return dict(parts)


def at(pieces, now):
    """Return the piece that covers the nanosecond before `now`."""
    return next((piece for piece in pieces if piece[0] < now <= piece[1]), None)


def needed(graph, strands, strand=0, seen=None):
    """Return the strands that the root's end hangs on."""
    seen = set() if seen is None else seen
    if strand in seen:
        return seen
    seen.add(strand)
    others = {target for piece in strands[strand] for target, _ in piece[3]} | {
        int(graph.strands.spawner[strand])
    }
    for other in others:
        needed(graph, strands, other, seen)
    return seen


def critical(graph, strands):
    """Return the labels on the critical strand at each nanosecond, the last one first."""
    strand, now, trail = 0, graph.length_ns, []
    while now:
        piece = at(strands[strand], now)
        if piece is None:
            strand = int(graph.strands.spawner[strand])
        elif piece[2] is None:
            strand = next(target for target, position in piece[3] if position == now)
        else:
            trail.append(piece[2])
            now -= 1
    return trail


def sweep(graph, categories):
    """Return {category: (cp, eq, exposed, any, rs)} of sets of labels, as exact fractions of ns."""
    strands = strands_of(graph)
    hanging = needed(graph, strands)
    totals = {name: [Fraction(0)] * 5 for name in categories}
    path = critical(graph, strands)[::-1]
    for now in range(1, graph.length_ns + 1):
        everywhere = {s: at(strands[s], now) for s in range(len(strands))}
        busy = {s: piece[2] for s, piece in everywhere.items() if piece and piece[2] is not None}
        for name, labels in categories.items():
            share = {
                s: sum((f for label, f in parts.items() if label in labels), Fraction(0))
                for s, parts in busy.items()
            }
            crowd = [share[s] for s in share if s in hanging]
            cp = sum((f for label, f in path[now - 1].items() if label in labels), Fraction(0))
            step = (cp, sum(crowd) / len(crowd), min(crowd), max(crowd), sum(share.values(), Fraction(0)))
            totals[name] = [total + each for total, each in zip(totals[name], step, strict=True)]
    return totals
