"""The compute node: ``conductor-trio``.

`cli` reads the command line, `config` the files and recipes, `run` is the composition root: it opens the output,
the application and the session, and owns their nursery.

- `session`: the link to the gateway, dialled again when it is lost;  `transport`: ssh, or a socket of this host;
- `application`: the user's program;  `isolation`: its network namespace, where it knows only TCP ports;
- `output`: events for programs;  `display`: the same for people;  `host`: files and processes of this host;
- `doctor`: ``conductor-trio doctor``;  `published`: a session from a program, without the command.

May import everything but `server`. The command line is read without importing Trio: this starts on slow file
systems."""
