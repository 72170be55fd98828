"""One training run: what is learnt, the graph that learns it, and what is kept of it."""
