"""Statistics: what a sample says about its mean, its ratios, its percentiles and its rates."""
