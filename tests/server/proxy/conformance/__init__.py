"""What the gateway does with each kind of message: tables with a clause for each row."""
