"""HTTP/1.1 and nothing else, sans-IO: no tenant, no token, no route, no clock.

Requests and responses are read (`reader`, `request`, `response`, `body`), their fields checked (`fields`,
`cookies`, `authority`), and written anew for the next hop (`rewrite`, `forwarded`).

May import `conductor_trio.errors` and `conductor_trio.limits`. Never here: who gets in (`access`), what visitors
read (`pages`), sockets, time, logging.

Begin with `reader`: bytes in; heads, payload and ends of messages out. A chunked body is read in `body`.
"""
