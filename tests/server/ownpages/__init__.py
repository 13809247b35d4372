"""Tests of `conductor_trio.server.ownpages`."""
