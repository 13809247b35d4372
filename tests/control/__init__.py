"""Tests of `conductor_trio.control`."""
