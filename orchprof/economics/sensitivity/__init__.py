"""Sensitivity: between which ends the inputs of a cost may lie, and which of them decides."""
