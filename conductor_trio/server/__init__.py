"""The gateway: ``conductor-trio-server``."""
