"""One request to its application and the response back: what the data plane does once a ruling says Forward.

`exchange` carries one out over a connection of the route's pool, `request_pump` sends the request with its body,
and `response_relay` brings the response back, both framed anew. `tunnel` carries what the connection has become
after an upgrade. `failures` are the ways in which an exchange breaks off.

May import the rest of `proxy` but `connection`, `dispatch` and `visitor`, and what lies below. Never here: who
gets in, what is said in the application's place.

Begin with `exchange`.
"""
