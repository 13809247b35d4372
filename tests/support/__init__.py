"""Helpers of the tests: harnesses, oracles, strategies, real programs and users."""
