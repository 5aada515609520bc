"""Replay: what a task would have taken with some of its time changed, contention for resources included."""
