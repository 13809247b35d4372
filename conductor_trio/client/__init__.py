"""The compute node: ``conductor-trio``."""
