"""Tests of `conductor_trio.client.setup`."""
