"""Tests of `conductor_trio.http1`."""
