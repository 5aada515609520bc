"""The bill of a run: what its tasks used, the rates, how the model is paid, and the cost of each part."""
