"""The ledger: a run's tables become, per task, an account of its latency that balances to the nanosecond."""
