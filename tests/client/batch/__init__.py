"""Tests of `conductor_trio.client.batch`."""
