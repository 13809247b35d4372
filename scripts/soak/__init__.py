"""``make soak``: a million requests, a tenth aborted, thousands of sessions, attackers; nothing is left of any."""
