"""Real processes, a real sshd, real users, real TLS, real applications, a real browser."""
