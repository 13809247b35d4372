"""Tests of `conductor_trio.pages.words`."""
