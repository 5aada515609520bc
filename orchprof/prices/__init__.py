"""Prices: what machines, accelerators, power, tools and tokens cost, each with its date and source."""
