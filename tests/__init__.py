"""Tests of conductor-trio."""
