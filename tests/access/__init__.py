"""Tests of `conductor_trio.access`."""
