"""Tests of `conductor_trio.net`."""
