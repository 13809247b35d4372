"""Tests of `conductor_trio.server.cli`."""
