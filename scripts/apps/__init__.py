"""``make apps``: real applications through the whole chain, in a real browser, with the shipped recipes."""
