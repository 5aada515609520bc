"""The search for the cheapest fleet: scenarios, trials, and the answer that is checked with fresh runs."""
