"""``make soak``: a million requests, a tenth of them aborted, thousands of sessions, and nothing left of them."""
