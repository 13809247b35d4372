"""Attackers, for measurements, `make soak` and `make chaos`: who makes a gateway work as hard as they can."""
