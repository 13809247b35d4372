"""Sans-IO: bytes and values in, values and bytes out. Nothing here waits, opens, reads a clock or logs."""
