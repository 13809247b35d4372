"""The OpenSSH transport over a real sshd, and what it says when that fails."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import trio

from scripts.private_sshd import PrivateSshd, open_private_sshd
from tests.doubles.control_server import open_control_server
from tests.doubles.ssh_gateway import SshGateway, masters_in

e2e = pytest.mark.e2e


@pytest.fixture
async def gateway(own_sshd: PrivateSshd, short_tmp: Path) -> AsyncIterator[SshGateway]:
    async with open_control_server(short_tmp) as server:
        yield SshGateway(server, own_sshd, short_tmp)


@e2e
async def test_the_way_to_live_and_back(gateway: SshGateway) -> None:
    async with gateway.open_client() as client:
        session = await gateway.server.next_session()
        await client.wait_for("live")
        states = [event["state"] for event in client.events]
        assert states == ["execute", "connect", "controlConnect", "live"]
        assert client.events[1] == {"state": "connect", "user": None, "host": "gateway", "port": None}
        assert client.events[2]["path"] == str(gateway.server.path)
        assert stat.S_IMODE(session.relay_mode) == 0o660
        assert await session.ask(b"over ssh") == b"OVER SSH"
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0


@e2e
async def test_user_and_port_are_passed_on(gateway: SshGateway) -> None:
    user, port = gateway.sshd.me.name, gateway.sshd.port
    async with gateway.open_client(f"{user}@localhost:{port}") as client:
        assert await client.wait_for("connect") == {
            "state": "connect",
            "user": user,
            "host": "localhost",
            "port": port,
        }
        await client.wait_for("live")


@e2e
@pytest.mark.parametrize(
    "option",
    [
        "ClearAllForwardings yes",
        "ControlMaster auto\nControlPath /nonexistent/%C\nControlPersist yes",
        "ControlMaster no",
        "ControlMaster autoask",
        "ExitOnForwardFailure yes\nLocalForward 127.0.0.1:1 127.0.0.1:1\nRemoteForward 127.0.0.1:1 127.0.0.1:1",
        "ForkAfterAuthentication yes",
        "ForkAfterAuthentication yes\nControlPersist yes",
        "ForwardAgent yes\nForwardX11 yes\nForwardX11Trusted yes",
        "GatewayPorts yes",
        "IgnoreUnknown NoSuch*,Other\nNoSuchOption yes",
        "LogLevel QUIET",
        "LogLevel DEBUG3",
        "PermitLocalCommand no",
        "PermitLocalCommand yes\nLocalCommand false",
        "RemoteCommand false",
        "RequestTTY force",
        "SessionType subsystem",
        "SessionType none",
        "StdinNull yes",
        "StreamLocalBindMask 0777\nStreamLocalBindUnlink yes",
        "Tunnel yes",
        "VisualHostKey yes",
    ],
)
async def test_an_option_with_which_ssh_works_does_not_get_in_the_way(gateway: SshGateway, option: str) -> None:
    async with gateway.open_client(configuration=option.splitlines()) as client:
        await client.wait_for("live")
        assert await (await gateway.server.next_session()).ask(b"x") == b"X"


@e2e
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
async def test_no_ssh_outlives_the_client(gateway: SshGateway, kill: signal.Signals) -> None:
    """Neither one that the configuration sends into the background, nor its ProxyCommand."""
    proxy = f"ssh -F {gateway.sshd.me.ssh_config} -W %h:%p gateway"
    configuration = ["ForkAfterAuthentication yes", "ControlPersist yes", f"ProxyCommand {proxy}"]
    before = proxies_of(gateway)
    async with gateway.open_client(configuration=configuration) as client:
        await client.wait_for("live")
        assert proxies_of(gateway) - before
        client.process.send_signal(kill)
        await client.finish()
        with trio.fail_after(10):
            while proxies_of(gateway) - before:  # noqa: ASYNC110
                await trio.sleep(0.01)
        # open_client() waits until ssh and its directory are gone.
    gateway.local.unlink(missing_ok=True)


def proxies_of(gateway: SshGateway) -> set[int]:
    """Return the processes that connect through the gateway to itself."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(gateway.sshd.me.ssh_config) in words and b"-W" in words:
                found.add(int(entry.name))
    return found


@e2e
@pytest.mark.parametrize("shell", ["/usr/bin/no-such-shell", "/bin/false", "sh", ""])
async def test_a_shell_that_this_host_does_not_have(
    gateway: SshGateway, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", shell)
    async with gateway.open_client() as client:
        await client.wait_for("live")


@e2e
async def test_a_banner_is_no_evidence(short_tmp: Path) -> None:
    """What the server has shown before the login goes to the same standard error as ssh's own words used to."""
    banner = short_tmp / "banner"
    banner.write_text(
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"
        "Notice: on 12 March the host key of login1 has changed.\n"
        "Host key verification failed.\n"
        "channel 0: open failed: connect failed: nothing\n"
    )
    with open_private_sshd(extra_config=[f"Banner {banner}"]) as sshd:
        async with open_control_server(short_tmp) as server:
            gateway = SshGateway(server, sshd, short_tmp)
            no_key = ["IdentityFile /dev/null", "PubkeyAuthentication no"]
            await assert_fails(gateway, "gateway failed: permission denied", configuration=no_key)
            async with gateway.open_client() as client:
                await client.wait_for("live")
                sshd.drop_sessions()
                assert "host key" not in (await client.wait_for("dead"))["reason"]


@e2e
async def test_odd_characters_in_paths(own_sshd: PrivateSshd, short_tmp: Path) -> None:
    odd = short_tmp / "a b:c\\d'e"
    odd.mkdir()
    async with open_control_server(odd) as server:
        gateway = SshGateway(server, own_sshd, short_tmp)
        async with gateway.open_client() as client:
            session = await server.next_session()
            assert stat.S_IMODE(session.relay_mode) == 0o660
            assert await session.ask(b"x") == b"X"
            await client.wait_for("live")


@e2e
async def test_a_lost_link_is_dialled_again(gateway: SshGateway) -> None:
    async with gateway.open_client() as client:
        await client.wait_for("live")
        gateway.sshd.drop_sessions()
        dead = await client.wait_for("dead")
        assert "gateway" in dead["reason"]
        await client.wait_for("live")
        assert client.all("live")[0] == client.all("live")[1]
        await gateway.server.next_session()
        assert await (await gateway.server.next_session()).ask(b"again") == b"AGAIN"
        # And once more by the death of ssh on our side.
        for pid in masters_in(gateway.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await client.wait_for("dead")
        await client.wait_for("live")
        assert len(client.all("execute")) == 1


@e2e
async def test_a_gateway_that_goes_away_and_comes_back(short_tmp: Path) -> None:
    with open_private_sshd() as sshd:
        async with (
            open_control_server(short_tmp) as server,
            SshGateway(server, sshd, short_tmp).open_client() as client,
        ):
            await client.wait_for("live")
            sshd.stop()
            await client.wait_for("dead")
            sshd.start()
            await client.wait_for("live")
            assert not client.all("failed")


@e2e
async def test_kill_9_leaves_no_ssh(gateway: SshGateway) -> None:
    async with gateway.open_client() as client:
        await client.wait_for("live")
        assert masters_in(gateway.directory)
        client.process.kill()
        assert await client.finish() == -signal.SIGKILL
        # open_client() waits until ssh and its directory are gone.
    gateway.local.unlink()


@e2e
@pytest.mark.parametrize(
    ("host", "configuration", "says"),
    [
        ("no-such-host.invalid", [], "host name no-such-host.invalid cannot be resolved"),
        ("localhost:1", [], "no SSH server answers at localhost port 1"),
        ("gateway", ["UserKnownHostsFile /dev/null"], "host key of gateway is not known"),
        ("gateway", ["UserKnownHostsFile {other_known_hosts}"], "host key of gateway has changed"),
        ("gateway", ["IdentityFile /dev/null", "PubkeyAuthentication no"], "gateway failed: permission denied"),
        ("gateway", ["ProxyCommand /bin/sh -c 'echo no way >&2'"], "no way"),
        ("gateway", ["Ciphers none-such"], "none-such"),
    ],
)
async def test_reasons_of_a_failed_dial(
    gateway: SshGateway, host: str, configuration: list[str], says: str, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    await trio.run_process(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)])
    known_hosts = tmp_path / "known_hosts"
    key = other.with_suffix(".pub").read_text()
    known_hosts.write_text(f"[127.0.0.1]:{gateway.sshd.port} {key}")
    lines = [line.format(other_known_hosts=known_hosts) for line in configuration]
    await assert_fails(gateway, says, host=host, configuration=lines)


async def assert_fails(
    gateway: SshGateway,
    says: str,
    *,
    host: str = "gateway",
    path: str | None = None,
    configuration: Sequence[str] = (),
) -> None:
    async with gateway.open_client(host, path=path, configuration=configuration) as client:
        assert await client.finish() == 1
        (failed,) = client.all("failed")
        assert says in failed["reason"]
        assert "\n" not in failed["reason"]
        assert client.events[-1] == {"state": "exit", "status": -signal.SIGTERM}
        assert "Traceback" not in await client.said()


@e2e
async def test_no_control_socket_there(gateway: SshGateway) -> None:
    await assert_fails(gateway, "there is no control socket /no/where at gateway", path="/no/where")


@e2e
@pytest.mark.parametrize("character", ["%", "$"])
async def test_paths_that_ssh_would_misread_are_refused(gateway: SshGateway, character: str) -> None:
    await assert_fails(gateway, "SSH cannot forward", path=f"/run/{character}h")


@e2e
@pytest.mark.parametrize("allowed", ["no", "local"])
async def test_forwarding_that_sshd_forbids(allowed: str, short_tmp: Path) -> None:
    with open_private_sshd(extra_config=[f"AllowStreamLocalForwarding {allowed}"]) as sshd:
        async with open_control_server(short_tmp) as server:
            await assert_fails(SshGateway(server, sshd, short_tmp), "AllowStreamLocalForwarding")


@e2e
async def test_no_shell_over_there(short_tmp: Path) -> None:
    """The bind mask of sshd does what the shell cannot; and without either, the refusal says both."""
    with open_private_sshd(bind_mask="0117", extra_config=["MaxSessions 0"]) as sshd:
        async with open_control_server(short_tmp) as server:
            gateway = SshGateway(server, sshd, short_tmp)
            async with gateway.open_client() as client:
                await client.wait_for("live")
                assert stat.S_IMODE((await server.next_session()).relay_mode) == 0o660
            server.refusals.append("the relay socket is closed to us")
            await assert_fails(gateway, "the relay socket is closed to us (`chmod 660` of the relay socket failed")


@e2e
@pytest.mark.parametrize(("mask", "shells"), [("0177", 2), ("0117", 1)])
async def test_the_next_relay_socket_needs_a_shell_only_where_sshd_makes_it_closed(
    mask: str, shells: int, short_tmp: Path
) -> None:
    counted = short_tmp / "shells"
    count = f'ForceCommand echo >>{counted}; echo "a shell that talks"; eval "$SSH_ORIGINAL_COMMAND"'
    with open_private_sshd(bind_mask=mask, extra_config=[count]) as sshd:
        async with open_control_server(short_tmp) as server:
            await lose_one_channel(SshGateway(server, sshd, short_tmp))
    assert len(counted.read_text().splitlines()) == shells


@e2e
async def test_a_shell_that_is_not_to_be_had_is_asked_for_once(short_tmp: Path) -> None:
    """And nothing is said of it, since all is well."""
    with open_private_sshd(bind_mask="0117", extra_config=["MaxSessions 0"]) as sshd:
        async with open_control_server(short_tmp) as server:
            said = await lose_one_channel(SshGateway(server, sshd, short_tmp))
        assert sshd.log.count("no more sessions") == 1
    assert "chmod" not in said


async def lose_one_channel(gateway: SshGateway) -> str:
    """Have a client register twice over the same ssh, and return what it logs."""
    async with gateway.open_client() as client:
        for is_lost in (True, False):
            session = await gateway.server.next_session()
            await client.wait_for("live")
            assert stat.S_IMODE(session.relay_mode) == 0o660
            if is_lost:
                session.stream.close()
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
        assert len(client.all("connect")) == 1
        return await client.said()
