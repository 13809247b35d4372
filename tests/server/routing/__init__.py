"""Tests of `conductor_trio.server.routing`."""
