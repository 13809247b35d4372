"""Trio primitives that know no route, session or application."""
