"""Tests of `conductor_trio.client.doctor`."""
