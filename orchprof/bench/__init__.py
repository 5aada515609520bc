"""The bench: which workloads there are, and running one of them against a model, in processes of its own."""
