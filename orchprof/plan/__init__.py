"""Planning: what tasks ask of each resource, and the cheapest fleet that meets an SLO at a rate."""
