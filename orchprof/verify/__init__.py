"""Verify: programs that know their own truth run through the real capture, and how far off its ledger is."""
