"""Hooks: what makes threads, event loops, child processes, HTTP calls and the collector visible, one file each."""
