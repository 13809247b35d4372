"""Tests of `conductor_trio.client.session`."""
