"""Tests of `conductor_trio.client.isolation`."""
