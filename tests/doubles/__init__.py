"""Fakes that stand in for peers: memory streams, relay sockets, origins. No mocks."""
