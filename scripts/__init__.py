"""Programs for development: the demo, its application, and a private SSH server."""
