"""Tests of `conductor_trio.server.sessions`."""
