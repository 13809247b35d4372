"""Tests of `conductor_trio.server.operation`."""
