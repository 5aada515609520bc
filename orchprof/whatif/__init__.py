"""What-if: one run with some of its time changed, and the ranking of what is worth changing."""
