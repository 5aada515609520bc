"""The frameworks: a module for each variant, which imports its framework and opens the shortest agent of it."""
