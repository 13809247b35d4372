"""A network link that can be cut silently: two network namespaces joined by a veth pair.

While it is cut, each end sends its packets to a hardware address that nobody has, so that they vanish without a
word, as behind a firewall that has forgotten the connection or with a cable pulled out of a switch further on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs

from scripts.bench.machine import free_port
from scripts.private_sshd import PrivateSshd
from tests.support.users import Person

#: What clients call the gateway that they reach over the link.
HOST = "over-the-link"

_NOBODY = "02:00:00:00:00:01"  # locally administered


class NoLink(Exception):
    """There can be no such link here; str() says why."""


@attrs.frozen(kw_only=True)
class Link:
    """The link, whole or cut; the near end is ours, the far end that of the namespace."""

    namespace: str
    near_device: str
    far_device: str
    near_address: str
    far_address: str
    port: int

    @property
    def sshd_config(self) -> list[str]:
        """What makes an SSH server listen at the near end."""
        return [f"ListenAddress {self.near_address}:{self.port}"]

    def introduce(self, sshd: PrivateSshd) -> None:
        """Let the users' ``ssh`` know the gateway under its name over the link."""
        for user in sshd.users:
            with user.ssh_config.open("a") as config:
                config.write(f"Host {HOST}\n  HostName {self.near_address}\n  Port {self.port}\n")
                config.write(f"  HostKeyAlias [localhost]:{sshd.port}\n")

    def through(self, person: Person) -> list[str]:
        """Return the command that runs another at the far end, as that person."""
        identity = ["--setuid", str(person.uid), "--setgid", str(person.gid)]
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *identity, "--"]

    def cut(self) -> None:
        """Let no packet through from now on."""
        for ip, device, other in self._ends():
            _run([*ip, "neigh", "replace", other, "lladdr", _NOBODY, "nud", "permanent", "dev", device])

    def mend(self) -> None:
        """Let the packets through again."""
        for ip, device, other in self._ends():
            _run([*ip, "neigh", "del", other, "dev", device])

    def _ends(self) -> list[tuple[list[str], str, str]]:
        return [
            (["ip"], self.near_device, self.far_address),
            (["ip", "-n", self.namespace], self.far_device, self.near_address),
        ]


@contextmanager
def open_link() -> Iterator[Link]:
    """Give a link that is whole; gone on leaving. Raises `NoLink`."""
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            raise NoLink(f"there is no {program} here (Debian: iproute2, util-linux)")
    mine = os.getpid() % 65536
    subnet = f"10.{128 + mine % 64}.{mine // 256}"
    link = Link(
        namespace=f"chaos-{mine}",
        near_device=f"ct{mine}n",
        far_device=f"ct{mine}f",
        near_address=f"{subnet}.1",
        far_address=f"{subnet}.2",
        port=free_port(),
    )
    inside = ["ip", "-n", link.namespace]
    _run(["ip", "netns", "add", link.namespace])
    try:
        _run(
            [
                "ip",
                "link",
                "add",
                link.near_device,
                "type",
                "veth",
                "peer",
                link.far_device,
                "netns",
                link.namespace,
            ]
        )
        for ip, device, address in (
            (["ip"], link.near_device, link.near_address),
            (inside, link.far_device, link.far_address),
        ):
            _run([*ip, "address", "add", f"{address}/30", "dev", device])
            _run([*ip, "link", "set", device, "up"])
        yield link
    finally:
        _run(["ip", "netns", "delete", link.namespace])  # and with it both ends


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoLink(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
