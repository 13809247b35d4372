"""Who may give the operator's commands, as the kernel tells who is at the other end of the socket."""

from __future__ import annotations

import grp
import os
import pwd
import socket

import attrs

from conductor_trio.errors import CommandRefused, StartError
from conductor_trio.net.peer_credentials import peer_credentials, peer_groups


@attrs.frozen(kw_only=True)
class Operators:
    """Root, the server's own user, and the members of a group, if there is one."""

    group: str | None
    gid: int | None

    @classmethod
    def of_group(cls, group: str | None) -> Operators:
        """Return them with a group by its name; raises `StartError` where there is none of that name."""
        if group is None:
            return cls(group=None, gid=None)
        try:
            return cls(group=group, gid=grp.getgrnam(group).gr_gid)
        except KeyError:
            raise StartError(f"--admin-group: there is no group {group!a} on this host") from None

    def check(self, sock: socket.socket) -> int:
        """Return the user id of whoever called connect(); raises `CommandRefused` where that is none of them."""
        uid = peer_credentials(sock).uid
        if uid in (0, os.geteuid()) or (self.gid is not None and self.gid in peer_groups(sock)):
            return uid
        raise CommandRefused(describe_operators(_name_of(os.geteuid()), self.group))


def describe_operators(user: str, group: str | None) -> str:
    """Return who may give commands to a server of that user, as a clause."""
    others = sorted({"root", user} - {""}, key=lambda name: name != "root")
    members = [] if group is None else [f"the members of the group {group}"]
    *first, last = [*others, *members]
    return f"only {', '.join(first)}{' and ' if first else ''}{last} may give this server commands"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user with the id {uid}"
