"""Tests of `conductor_trio.server.workers`."""
