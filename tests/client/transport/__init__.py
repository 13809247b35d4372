"""Tests of `conductor_trio.client.transport`."""
