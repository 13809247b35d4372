"""Tests of `conductor_trio.server.leases`."""
