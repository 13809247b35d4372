"""The words of the display: what a person is told, and when."""

from __future__ import annotations

import signal

import pytest

from conductor_trio.client.display.painter import (
    Item,
    Link,
    Mark,
    Notice,
)
from conductor_trio.client.display.progress import ProgressModel, format_exit
from conductor_trio.client.output import events
from conductor_trio.client.transport.ssh_errors import find_reason

HOST = "lab-alice.apps.example.org"
LINK = f"https://{HOST}/_conductor/auth/t0ken"

EXECUTE = events.Execute(command=("jupyter", "lab"), pid=4711)
CONNECT = events.Connect(user=None, host="gw.example.org", port=None)
CONTROL = events.ControlConnect(path="/run/client", banner={})
LIVE = events.Live(token="t0ken", key="lab", urls=(HOST,))


class Teller:
    """A model of the progress, and a clock to it."""

    def __init__(self, place: str | None = "gw.example.org") -> None:
        self.now = 1000.0
        self.progress = ProgressModel(place=place, now=self.now, time_of_day=lambda: "14:03")

    def tell(self, *reports: events.Report, after: float = 0) -> list[str]:
        self.now += after
        items: list[Item] = []
        for report in reports:
            items += self.progress.receive(report, self.now)
        return texts(items)

    def tick(self, after: float, *, has_status: bool = True) -> list[str]:
        self.now += after
        return texts(self.progress.tick(self.now, has_status=has_status))

    def status(self) -> str | None:
        status = self.progress.status(self.now)
        return None if status is None else " | ".join(status.parts)


def texts(items: list[Item]) -> list[str]:
    return [item.url if isinstance(item, Link) else "\n".join([item.text, *item.beneath]) for item in items]


def test_the_way_to_the_link() -> None:
    teller = Teller()
    assert texts(teller.progress.begin()) == [
        "Logging in at gw.example.org by SSH, which may ask you something here"
    ]
    assert teller.tell(EXECUTE) == ["Starting jupyter lab"]
    assert teller.progress.is_ssh_asking(teller.now)
    assert teller.status() is None
    assert teller.tell(CONNECT, after=1.8) == ["Logged in after 1.8 s"]
    assert not teller.progress.is_ssh_asking(teller.now)
    teller.now += 3
    assert teller.status() == "waiting for the gateway's server | 3 s"
    assert teller.tell(CONTROL, events.LoginShell(is_running=True)) == []
    teller.now += 4
    assert teller.status() == "waiting for your login shell at the gateway | 4 s"
    assert teller.tell(events.LoginShell(is_running=False)) == []
    teller.now += 12
    assert teller.status() == "waiting for the application to listen | 12 s"
    ready, link, page = teller.tell(LIVE)
    assert ready == "Ready after 21 s. Whoever has this link has your application:"
    assert link == LINK
    assert page == f"The session's page: https://{HOST}/_conductor/"
    assert teller.status() == f"{HOST} | Ctrl-C ends it"
    assert teller.progress.url == LINK


def test_a_recipe_is_told_without_the_options_that_it_adds() -> None:
    command = ("jupyter", "lab", "--no-browser", "--ServerApp.sock=/tmp/x/socket", "notes.ipynb")
    assert Teller().tell(events.Execute(command=command, pid=7, recipe="lab")) == [
        "Starting jupyter lab (recipe lab)"
    ]


def test_a_server_on_this_host_is_not_logged_in_at() -> None:
    teller = Teller(place=None)
    assert teller.progress.begin() == []
    assert not teller.progress.is_ssh_asking(teller.now)
    assert teller.status() == "waiting for the gateway's server | 0 s"
    assert teller.tell(events.Connect(user=None, host=None, port=None)) == []


def test_a_long_start_says_where_to_look() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL)
    teller.now += 60
    assert (
        teller.status()
        == "waiting for the application to listen | 1 min | its own output may say why it takes long"
    )


def test_the_link_is_lost_and_back() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE)
    (lost,) = teller.tell(
        events.Dead(what="ssh ended"), events.Reconnecting(seconds=8.0, what="ssh ended", attempt=1), after=60
    )
    assert lost == "14:03 Link lost: ssh ended\nThe application goes on; Ctrl-C ends it"
    assert teller.status() == "link lost for 0 s | next attempt in 8 s"
    teller.now += 4.5
    assert teller.status() == "link lost for 4 s | next attempt in 4 s"
    teller.now += 3.5  # ssh is started
    assert teller.status() is None
    assert teller.tell(events.Reconnecting(seconds=5, what="no route", attempt=2), after=2) == []
    assert teller.status() == "link lost for 10 s | next attempt in 5 s"
    assert teller.tell(CONNECT, after=6) == []
    assert teller.status() == "link lost for 16 s | waiting for the gateway's server"
    assert teller.tell(CONTROL) == []
    assert teller.tell(LIVE) == ["14:03 The link is back after 16 s; address and token are the same"]
    assert teller.status() == f"{HOST} | Ctrl-C ends it"


def test_another_address_is_told() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE, events.Dead(what="x"))
    told = teller.tell(events.Live(token="t0ken", key="lab", urls=("other.example.org",)))
    assert told == [
        "14:03 The link is back after 0.0 s, but the address is another:",
        "https://other.example.org/_conductor/auth/t0ken",
    ]


def test_a_move_is_no_news() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE)
    assert teller.tell(CONTROL, LIVE) == []


def test_advice_stands_apart() -> None:
    teller = Teller()
    line = "ssh: connect to host gw port 22: Connection refused"
    reason = find_reason([line])
    assert reason is not None
    assert teller.tell(events.SshLine(text=line, is_reason=True)) == []
    assert teller.tell(events.make_failed(reason)) == [
        "This node does not get to the gateway gw.example.org by SSH\n"
        "No SSH server answers at gw port 22 (connection refused)\n"
        "What to do: check host and port\n"
        "ssh says: ssh: connect to host gw port 22: Connection refused"
    ]


@pytest.mark.parametrize(
    ("before", "failed", "first_line"),
    [
        (
            [],
            events.Failed(what="no SSH login within 300 s", hop="ssh"),
            "This node does not get to the gateway gw.example.org by SSH",
        ),
        (
            [CONNECT],
            events.Failed(what="the server does not greet", hop="server"),
            "The server at gw.example.org cannot be used",
        ),
        (
            [CONNECT, CONTROL],
            events.Failed(what="name taken", hop="gateway"),
            "The server at gw.example.org does not take the application",
        ),
        (
            [],
            events.Failed(what="someone listens on /a already", advice="end that", hop="here"),
            "Someone listens on /a already\nWhat to do: end that",
        ),
        (
            [CONNECT, CONTROL],
            events.Failed(what="the application ended with status 1 before", hop="here", tells_exit=True),
            "The application ended with status 1 before",
        ),
        (
            [CONNECT],
            events.Failed(what="cannot start jupyter: No such file", hop="here"),
            "Cannot start jupyter: No such file",
        ),
    ],
)
def test_a_failure_names_its_hop(before: list[events.Event], failed: events.Failed, first_line: str) -> None:
    teller = Teller()
    teller.tell(EXECUTE, *before)
    (told,) = teller.tell(failed)
    assert told.startswith(first_line)
    assert failed.what.lower() in told.lower()


def test_a_server_on_this_host_is_named_so() -> None:
    teller = Teller(place=None)
    failed = events.Failed(what="no answer", hop="server")
    assert teller.tell(failed) == ["The server on this host cannot be used\nNo answer"]
    teller.tell(CONTROL)
    (told,) = teller.tell(events.Failed(what="no", hop="gateway"))
    assert told.startswith("The server on this host does not take the application")


def test_an_end_is_told_once() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL)
    reason = "the application ended with status 3 before it listened on /a"
    assert teller.tell(events.Failed(what=reason, hop="here", tells_exit=True), events.Exit(status=3)) == [
        "The application ended with status 3 before it listened on /a"
    ]


def test_structure_in_an_event_is_taken_as_it_is() -> None:
    teller = Teller()
    (told,) = teller.tell(events.Failed(what="it broke; check nothing", advice="wait", hop="gateway"))
    assert told.splitlines() == [
        "The server at gw.example.org does not take the application",
        "It broke; check nothing",
        "What to do: wait",
    ]
    (told,) = teller.tell(events.Failed(what="it never listened", hop="here"))
    assert told == "It never listened"


def test_advice_on_a_lost_link_stands_apart() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE)
    (told,) = teller.tell(events.Dead(what="no route", advice="check the cable"))
    assert told.splitlines() == [
        "14:03 Link lost: no route",
        "What to do: check the cable",
        "The application goes on; Ctrl-C ends it",
    ]


def test_what_ssh_says_while_it_logs_in_is_passed_on() -> None:
    teller = Teller()
    assert teller.tell(events.SshLine(text="Use your YubiKey")) == ["ssh: Use your YubiKey"]
    assert teller.tell(events.SshLine(text="Use your YubiKey", is_repeated=True)) == []
    denied = events.SshLine(text="Permission denied (publickey).", is_reason=True)
    assert teller.tell(denied) == []  # told with the failure
    teller.tell(CONNECT)
    assert teller.tell(events.SshLine(text="channel 3: open failed")) == []


@pytest.mark.parametrize(
    ("status", "text", "mark"),
    [
        (0, "The application has ended", Mark.DONE),
        (3, "The application has ended with status 3", Mark.FAILED),
        (-signal.SIGTERM, "The application was ended by SIGTERM", Mark.STEP),
        (-signal.SIGSEGV, "The application was ended by SIGSEGV", Mark.FAILED),
        (-200, "The application was ended by signal 200", Mark.FAILED),
    ],
)
def test_the_end_in_words(status: int, text: str, mark: Mark) -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    (item,) = teller.progress.receive(events.Exit(status=status), teller.now)
    assert isinstance(item, Notice)
    assert (item.text, item.mark) == (text, mark)
    assert teller.status() is None


def test_what_was_killed_may_have_used_too_much_memory() -> None:
    assert "memory" in Teller().tell(events.Exit(status=-signal.SIGKILL))[0]
    assert format_exit(-signal.SIGKILL) == "the application was ended by SIGKILL"


def test_an_end_as_asked_is_no_failure() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    assert teller.tell(events.Ending(signal="SIGINT")) == ["Ending … Ctrl-C again ends it at once"]
    teller.progress.expect_end(teller.now)
    assert teller.status() == "ending the application | 0 s | Ctrl-C ends it at once"
    assert teller.tell(events.Exit(status=-signal.SIGTERM)) == ["The application has ended"]


def test_a_batch_system_that_asks_is_named() -> None:
    assert Teller().tell(events.Ending(signal="SIGTERM")) == ["Ending … as SIGTERM asks"]


def test_a_job_that_runs_out_is_told_in_time() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE)
    assert teller.progress.set_job("Slurm job 7", 7200.0, teller.now) == []
    assert teller.status() == f"{HOST} | job ends in 2 h 0 min | Ctrl-C ends it"
    assert teller.tick(5000) == []
    assert teller.tick(400) == ["Slurm job 7 ends in 30 min; save your work"]
    assert teller.tick(1) == []
    assert texts(teller.progress.set_job("Slurm job 7", 1790, teller.now)) == []
    assert teller.tick(1200) == ["Slurm job 7 ends in 9 min; save your work"]
    assert texts(teller.progress.set_job("Slurm job 7", 1750, teller.now)) == [
        "Slurm job 7 ends in 29 min; save your work"
    ]
    assert teller.tick(1749.5) == ["Slurm job 7 ends now; save your work"]


def test_without_a_status_line_a_long_wait_is_told_of_now_and_then() -> None:
    teller = Teller()
    assert teller.tick(100, has_status=False) == []  # ssh may be asking
    teller.tell(CONNECT, CONTROL)
    told = [line for _ in range(600) for line in teller.tick(1, has_status=False)]
    assert told == [
        f"Still waiting for the application to listen, for {time}" for time in ("10 s", "30 s", "1 min", "5 min")
    ]
    teller.tell(LIVE)
    assert teller.tick(5000, has_status=False) == []


def test_what_needs_no_words_is_no_news() -> None:
    assert (
        Teller().tell(
            events.Starting(token="t0ken", key=None, urls=(HOST,)),
            events.Live(token="t0ken", key=None, urls=()),
            events.Data(kind="stdout", text="the application's own"),
        )
        == []
    )


def test_a_warning_is_passed_on() -> None:
    assert Teller().tell(events.Warned(text="the port is open to all")) == ["The port is open to all"]


def test_an_end_that_the_owner_asks_for_elsewhere_is_told() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    assert teller.tell(events.Stopping(by="owner", why="its owner has asked for it")) == [
        "Ending, because its owner has asked for it"
    ]
    assert teller.status() == "ending the application | 0 s | Ctrl-C ends it at once"
    assert teller.tell(events.Exit(status=-signal.SIGTERM)) == ["The application has ended"]


def test_an_application_that_nobody_uses_is_warned_of() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    (warning,) = teller.tell(events.IdleWarned(idle=6480, left=720, ends=0))
    assert warning == "14:03 Nobody has used it for 1 h 48 min; it ends in 12 min unless somebody does"
    teller.now += 60
    assert teller.status() == f"{HOST} | unused, ends in 11 min | Ctrl-C ends it"
    assert teller.tell(events.IdleVetoed(idle=7200)) == ["14:03 It is busy, and goes on"]
    assert teller.tell(events.IdleOver(idle=3)) == ["14:03 Somebody uses it again"]
    assert teller.status() == f"{HOST} | Ctrl-C ends it"


def test_a_link_that_is_in_a_file_is_not_in_the_log() -> None:
    progress = ProgressModel(place=None, now=0.0, time_of_day=lambda: "14:03", link_file="/home/me/link")
    [ready, page] = progress.receive(events.Live(token="s3cret", key="lab", urls=("lab.example.org",)), 4.0)
    assert isinstance(ready, Notice) and isinstance(page, Notice)
    assert page.text == "The session's page: https://lab.example.org/_conductor/"
    assert ready.text == "Ready after 4.0 s. The link is in /home/me/link"
