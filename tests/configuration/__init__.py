"""Tests of `conductor_trio.configuration`."""
