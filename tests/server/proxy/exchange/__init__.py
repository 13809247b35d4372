"""Tests of `conductor_trio.server.proxy.exchange`."""
