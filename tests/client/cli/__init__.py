"""Tests of `conductor_trio.client.cli`."""
