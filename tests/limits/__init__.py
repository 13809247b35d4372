"""Tests of `conductor_trio.limits`."""
