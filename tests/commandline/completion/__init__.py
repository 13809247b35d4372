"""Tests of `conductor_trio.commandline.completion`."""
