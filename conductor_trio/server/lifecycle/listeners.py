"""Where the server listens, and by whose sockets: its own, its parent's, or its predecessor's.

The operators' is not among those that are lent first, since a server of an earlier version would not know what it
is for. It comes with the sessions, so that no operator finds nobody there; where it does not, our own takes its
path in one step when we begin to accept.
"""

from __future__ import annotations

import contextlib
import enum
import os
import socket
from collections.abc import Iterable, Iterator, Sequence

import attrs

from conductor_trio.errors import StartError
from conductor_trio.net.listeners import Listener, listen_unix, open_tcp_listeners
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory
from conductor_trio.server.settings import NO_FRONT_PROXY, ServerSettings

_PUBLIC_SOCKET_MODE = 0o660  # for a front proxy in our group (docs/protocol.md, "Directories and sockets")
_CONTROL_SOCKET_MODE = 0o777  # for every user; who they are, the kernel tells
_HANDOVER_SOCKET_MODE = 0o600
# For the server's own user and root; with a group, for every user, of whom the kernel tells who is in it.
_ADMIN_SOCKET_MODE = 0o600
_ADMIN_GROUP_SOCKET_MODE = 0o666


class Role(enum.Enum):
    """Whom a listener is for."""

    PUBLIC = "public"
    CONTROL = "control"
    HANDOVER = "handover"


_MODES = {
    Role.PUBLIC: _PUBLIC_SOCKET_MODE,
    Role.CONTROL: _CONTROL_SOCKET_MODE,
    Role.HANDOVER: _HANDOVER_SOCKET_MODE,
}

Handed = tuple[Role, Listener]
WithMode = tuple[int, Listener]  #: a listener, and what its path is to let others do


@attrs.frozen(kw_only=True)
class Listeners:
    """Everything that the server listens on."""

    public: Sequence[Listener]
    control: Listener
    handover: Listener
    admin: Listener
    admin_path: str  #: where that belongs
    admin_mode: int
    unwanted: Sequence[Listener]  #: the predecessor's, which this command line does not name

    @property
    def by_role(self) -> list[Handed]:
        """All that are wanted and can be lent."""
        public = [(Role.PUBLIC, listener) for listener in self.public]
        return [*public, (Role.CONTROL, self.control), (Role.HANDOVER, self.handover)]

    @property
    def inherited(self) -> list[Listener]:
        """Those at which one can wait for our successor."""
        return [listener for _, listener in self.by_role if listener.is_inherited]

    def keep_paths(self, others: Iterable[WithMode] = ()) -> Iterator[tuple[Listener, StartError | None]]:
        """Listen anew where a path that is ours leads here no more; yield those, and why it could not be done."""
        modes = [(_MODES[role], listener) for role, listener in self.by_role]
        for mode, listener in [*modes, (self.admin_mode, self.admin), *others]:
            if listener.path is None or not listener.owns_path or listener.has_its_path():
                continue
            if listener.is_inherited:
                yield listener, StartError("only whoever gave us this socket can bind it again")
                continue
            try:
                listener.listen_again(mode)
            except StartError as error:
                yield listener, error
            else:
                yield listener, None

    def adopt_admin(self, lent: socket.socket) -> None:
        """Listen for operators by the predecessor's socket, which has the path."""
        self.admin.succeed(lent, self.admin_path)

    def claim_paths(self) -> None:
        """Look after all paths from now on, in the predecessor's place."""
        with contextlib.suppress(StartError, FileNotFoundError):  # which `keep_paths` finds
            if self.admin.path == self.admin_path:
                os.chmod(self.admin_path, self.admin_mode)
            else:
                self.admin.move_to(self.admin_path)
        for listener in (*self._all(), *self.unwanted):
            listener.owns_path = True
        for listener in self.unwanted:
            listener.close()

    def release_paths(self) -> None:
        """Leave all paths to a successor."""
        for listener in self._all():
            listener.owns_path = False

    def close(self) -> None:
        """Let nobody wait here in vain; what is inherited stays open, for a successor."""
        for listener in self._all():
            if not listener.is_inherited:
                listener.close()

    def _all(self) -> list[Listener]:
        return [*(listener for _, listener in self.by_role), self.admin]


@contextlib.contextmanager
def open_listeners(
    settings: ServerSettings, runtime: RuntimeDirectory, inherited: Iterable[Listener], handed: Sequence[Handed]
) -> Iterator[Listeners]:
    """Listen for visitors, clients and a successor; raises `StartError`. What is bound here is closed on leaving.

    `inherited` are the parent's: the one at the control socket's path is for clients, all others are for visitors
    and take the place of the address that `settings` name. `handed` are the predecessor's, used where they fit.
    """
    given = [(_role_of(listener, runtime), listener) for listener in inherited]
    # Given by the parent and by the predecessor, it is one socket.
    known = {_address(listener) for _, listener in given}
    given += [(role, listener) for role, listener in handed if _address(listener) not in known]
    with contextlib.ExitStack() as stack:

        def listen_at(path: str, mode: int, role: Role) -> Listener:
            for at, listener in given:
                if at is role and _is_at(listener, path) and listener.is_reachable:
                    return listener
            return stack.enter_context(contextlib.closing(listen_unix(path, mode)))

        public = [listener for role, listener in given if role is Role.PUBLIC and listener.is_inherited]
        if public:
            pass
        elif settings.socket is not None:
            public = [listen_at(settings.socket, _PUBLIC_SOCKET_MODE, Role.PUBLIC)]
        else:
            assert settings.port is not None
            held = [listener for role, listener in given if role is Role.PUBLIC]
            public = stack.enter_context(open_tcp_listeners(settings.host, settings.port, held))
        _check_sign_on(settings, public)
        control = listen_at(runtime.control, _CONTROL_SOCKET_MODE, Role.CONTROL)
        handover = listen_at(runtime.handover, _HANDOVER_SOCKET_MODE, Role.HANDOVER)
        mode = _ADMIN_SOCKET_MODE if settings.admin_group is None else _ADMIN_GROUP_SOCKET_MODE
        # Beside its path, which leads to the predecessor until we accept.
        new = f"{runtime.admin}.{os.getpid()}"
        admin = stack.enter_context(contextlib.closing(listen_unix(new, mode)))
        if not handed:
            admin.move_to(runtime.admin)
        used = {*public, control, handover}
        unwanted = [listener for _, listener in handed if listener not in used]
        yield Listeners(
            public=public,
            control=control,
            handover=handover,
            admin=admin,
            admin_path=runtime.admin,
            admin_mode=mode,
            unwanted=unwanted,
        )


def _check_sign_on(settings: ServerSettings, public: Iterable[Listener]) -> None:
    """Raise `StartError` where a single sign-on is to be believed, and nobody who comes can speak for it."""
    if settings.sso and not settings.trusted_proxies and all(listener.path is None for listener in public):
        raise StartError(
            f"what a single sign-on says cannot be used: {NO_FRONT_PROXY}; what the service manager hands on "
            "are TCP ports, so name the front proxy by trusted_proxy"
        )


def _role_of(listener: Listener, runtime: RuntimeDirectory) -> Role:
    return Role.CONTROL if _is_at(listener, runtime.control) else Role.PUBLIC


def _is_at(listener: Listener, path: str) -> bool:
    """Whether a listener's path is that one; /var/run may be a link to /run."""
    return listener.path is not None and os.path.realpath(listener.path) == os.path.realpath(path)


def _address(listener: Listener) -> object:
    return listener.sock.family, listener.sock.getsockname()
