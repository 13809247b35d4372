"""What the server has seen, and tells."""
