"""HTTP/1.1 and nothing else, sans-IO: no tenant, no token, no route, no clock.

Requests are read by h11 (`reader`, `request_parser`, `request`, `request_fields`), bodies and responses by our own
readers (`body`, `response`), which are tested against it; fields are checked (`fields`, `cookies`, `authority`),
and messages written anew for the next hop (`rewrite`, `forwarded`). What was read before is in `memory`.

May import `conductor_trio.errors` and `conductor_trio.limits`. Never here: who gets in (`access`), what visitors
read (`pages`), sockets, time, logging.

Begin with `reader`: bytes in; heads, payload and ends of messages out. A chunked body is read in `body`.
"""
