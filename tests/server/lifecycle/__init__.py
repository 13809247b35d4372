"""Tests of `conductor_trio.server.lifecycle`."""
