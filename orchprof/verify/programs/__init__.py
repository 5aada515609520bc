"""Programs that are run by themselves and know nothing of orchprof; they need the standard library only."""
