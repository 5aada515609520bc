"""The accelerator's time, modelled: published facts, the fit, and the continuous batch."""
