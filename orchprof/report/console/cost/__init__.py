"""The cost for a terminal, part by part."""
