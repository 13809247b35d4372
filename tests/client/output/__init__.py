"""Tests of `conductor_trio.client.output`."""
