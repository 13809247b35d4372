"""Chaos: hops of the real chain are killed, stopped, swept and cut under load, and what has to hold is checked.

A real sshd, the server as a user of its own, two researchers with two sessions each (the *residents*), and
visitors who ask for all of them. For each trial a further session (the *subject*) is brought to some phase of its
life, a hop is struck or a tenant attacks, in some ways of `scripts.attackers` at once, and then:

- the application still runs, unless it was the one killed, or its client, which takes it along;
- the owner is live again within 2 s of the hop being back (30 s after a silent cut), under the same URL and token;
- beside an attacker an answer comes within 2 s;
- no request to a session fails that did not go through that hop, and what applications say before an end, or when
  they are told to end, arrives whole;
- within 5 s processes, descriptors, threads, memory (within 8 MiB a process), directories, sockets and routes are
  what they were before.

``python -m tests.chaos`` goes on for minutes, `tests.chaos.test_chaos` is the short form.
"""
