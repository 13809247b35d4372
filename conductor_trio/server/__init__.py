"""The gateway: ``conductor-trio-server``.

`cli` reads the command line into `settings`, `app` opens everything and is the only module that knows all rooms:

- `sessions`, the control plane: a nursery a client;  `proxy`, the data plane: a task a visitor's connection;
  `ownpages`, the server's own pages: three siblings that never import each other;
- `routing` and `accounts`, which they share: what is known of a host name, and who uses how much of what;
- `lifecycle`: listeners, the runtime directory, hand-over to a successor;  `check`: the command ``check``.

May import everything but `client`. Imports go down only; import-linter holds it.

Begin with `app` for the life of the process, with `proxy.connection` for a request, with `sessions.host` for a
session.
"""
