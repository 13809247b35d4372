"""client/display_story: what a person is told, and when."""

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
from conductor_trio.control.messages import Banner

HOST = "lab-alice.apps.example.org"
LINK = f"https://{HOST}/_conductor/auth/t0ken"

EXECUTE = events.execute(["jupyter", "lab"], 4711)
CONNECT = events.connect(None, "gw.example.org", None)
CONTROL = events.control_connect("/run/client", Banner(directory="/d", raw={}))
LIVE = events.live("t0ken", "lab", (HOST,))


class Teller:
    """A story, and a clock to it."""

    def __init__(self, place: str | None = "gw.example.org") -> None:
        self.now = 1000.0
        self.story = ProgressModel(place=place, now=self.now, time_of_day=lambda: "14:03")

    def tell(self, *events: events.Event, after: float = 0) -> list[str]:
        self.now += after
        items: list[Item] = []
        for event in events:
            items += self.story.receive(event, self.now)
        return texts(items)

    def tick(self, after: float, *, has_status: bool = True) -> list[str]:
        self.now += after
        return texts(self.story.tick(self.now, has_status=has_status))

    def status(self) -> str | None:
        status = self.story.status(self.now)
        return None if status is None else " | ".join(status.parts)


def texts(items: list[Item]) -> list[str]:
    return [item.url if isinstance(item, Link) else "\n".join([item.text, *item.beneath]) for item in items]


def test_the_way_to_the_link() -> None:
    teller = Teller()
    assert texts(teller.story.begin()) == ["Logging in at gw.example.org by SSH, which may ask you something here"]
    assert teller.tell(EXECUTE) == ["Starting jupyter lab"]
    assert teller.story.is_ssh_asking(teller.now)
    assert teller.status() is None
    assert teller.tell(CONNECT, after=1.8) == ["Logged in after 1.8 s"]
    assert not teller.story.is_ssh_asking(teller.now)
    teller.now += 3
    assert teller.status() == "waiting for the gateway's server | 3 s"
    assert teller.tell(CONTROL) == []
    teller.now += 12
    assert teller.status() == "waiting for the application to listen | 12 s"
    ready, link = teller.tell(LIVE)
    assert ready == "Ready after 17 s. Whoever has this link has your application:"
    assert link == LINK
    assert teller.status() == f"{HOST} | Ctrl-C ends it"
    assert teller.story.url == LINK


def test_a_recipe_is_told() -> None:
    assert Teller().tell(events.execute(["a", "b"], 7, "lab")) == ["Starting a b (recipe lab)"]


def test_a_server_on_this_host_is_not_logged_in_at() -> None:
    teller = Teller(place=None)
    assert teller.story.begin() == []
    assert not teller.story.is_ssh_asking(teller.now)
    assert teller.status() == "waiting for the gateway's server | 0 s"
    assert teller.tell(events.connect(None, None, None)) == []


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
    (lost,) = teller.tell(events.dead("ssh ended"), events.reconnecting(8.0, "ssh ended", 1), after=60)
    assert lost == "14:03 Link lost: ssh ended\nThe application goes on; Ctrl-C ends it"
    assert teller.status() == "link lost for 0 s | next attempt in 8 s"
    teller.now += 4.5
    assert teller.status() == "link lost for 4 s | next attempt in 4 s"
    teller.now += 3.5  # ssh is started
    assert teller.status() is None
    assert teller.tell(events.reconnecting(5, "no route", 2), after=2) == []
    assert teller.status() == "link lost for 10 s | next attempt in 5 s"
    assert teller.tell(CONNECT, after=6) == []
    assert teller.status() == "link lost for 16 s | waiting for the gateway's server"
    assert teller.tell(CONTROL) == []
    assert teller.tell(LIVE) == ["14:03 The link is back after 16 s; address and token are the same"]
    assert teller.status() == f"{HOST} | Ctrl-C ends it"


def test_another_address_is_told() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE, events.dead("x"))
    told = teller.tell(events.live("t0ken", "lab", ("other.example.org",)))
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
    reason = "no SSH server answers at gw port 22 (connection refused); check host and port"
    teller.story.hear_ssh("ssh: connect to host gw port 22: Connection refused")
    assert teller.tell(events.failed(reason)) == [
        "This node does not get to the gateway gw.example.org by SSH\n"
        "No SSH server answers at gw port 22 (connection refused)\n"
        "What to do: check host and port\n"
        "ssh says: ssh: connect to host gw port 22: Connection refused"
    ]


@pytest.mark.parametrize(
    ("before", "reason", "first_line"),
    [
        ([], "no SSH login within 300 s", "This node does not get to the gateway gw.example.org by SSH"),
        (
            [CONNECT],
            "the server does not greet",
            "The server at gw.example.org cannot be used",
        ),
        ([CONNECT, CONTROL], "name taken", "The server at gw.example.org does not take the application"),
        ([], "someone listens on /a already; end that", "Someone listens on /a already"),
        (
            [CONNECT, CONTROL],
            "the application ended with status 1 before",
            "The application ended with status 1 before",
        ),
        ([CONNECT], "cannot start jupyter: No such file", "Cannot start jupyter: No such file"),
    ],
)
def test_a_failure_names_its_hop(before: list[events.Event], reason: str, first_line: str) -> None:
    teller = Teller()
    teller.tell(EXECUTE, *before)
    (told,) = teller.tell(events.failed(reason))
    assert told.startswith(first_line)
    assert reason.partition(";")[0].lower() in told.lower()


def test_a_server_on_this_host_is_named_so() -> None:
    teller = Teller(place=None)
    assert teller.tell(events.failed("no answer")) == ["The server on this host cannot be used\nNo answer"]
    teller.tell(CONTROL)
    assert teller.tell(events.failed("no"))[0].startswith("The server on this host does not take the application")


def test_an_end_is_told_once() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL)
    reason = "the application ended with status 3 before it listened on /a"
    assert teller.tell(events.failed(reason), events.exit_(3)) == [
        "The application ended with status 3 before it listened on /a"
    ]


def test_structure_in_an_event_is_taken_as_it_is() -> None:
    teller = Teller()
    reason, advice = "it broke; check nothing", "wait"
    failed = {"state": "failed", "hop": "gateway", "reason": reason, "advice": advice, "detail": "ssh: broken"}
    (told,) = teller.tell(failed)
    assert told.splitlines() == [
        "The server at gw.example.org does not take the application",
        "It broke; check nothing",
        "What to do: wait",
        "ssh: broken",
    ]
    (told,) = teller.tell({"state": "failed", "hop": "application", "reason": "it never listened"})
    assert told == "It never listened"


def test_what_ssh_says_while_it_logs_in_is_passed_on() -> None:
    teller = Teller()
    assert texts(teller.story.hear_ssh("Use your YubiKey")) == ["ssh: Use your YubiKey"]
    assert teller.story.hear_ssh("Permission denied (publickey).") == []  # told with the failure
    teller.tell(CONNECT)
    assert teller.story.hear_ssh("channel 3: open failed") == []


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
    (item,) = teller.story.receive({"state": "exit", "status": status}, teller.now)
    assert isinstance(item, Notice)
    assert (item.text, item.mark) == (text, mark)
    assert teller.status() is None


def test_what_was_killed_may_have_used_too_much_memory() -> None:
    assert "memory" in Teller().tell(events.exit_(-signal.SIGKILL))[0]
    assert format_exit(-signal.SIGKILL) == "the application was ended by SIGKILL"


def test_an_end_as_asked_is_no_failure() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    assert teller.tell(events.ending("SIGINT")) == ["Ending … Ctrl-C again ends it at once"]
    teller.story.expect_end(teller.now)
    assert teller.status() == "ending the application | 0 s | Ctrl-C ends it at once"
    assert teller.tell(events.exit_(-signal.SIGTERM)) == ["The application has ended"]


def test_a_batch_system_that_asks_is_named() -> None:
    assert Teller().tell(events.ending("SIGTERM")) == ["Ending … as SIGTERM asks"]


def test_a_job_that_runs_out_is_told_in_time() -> None:
    teller = Teller()
    teller.tell(CONNECT, CONTROL, LIVE)
    assert teller.story.set_job("Slurm job 7", 7200.0, teller.now) == []
    assert teller.status() == f"{HOST} | job ends in 2 h 0 min | Ctrl-C ends it"
    assert teller.tick(5000) == []
    assert teller.tick(400) == ["Slurm job 7 ends in 30 min; save your work"]
    assert teller.tick(1) == []
    assert texts(teller.story.set_job("Slurm job 7", 1790, teller.now)) == []
    assert teller.tick(1200) == ["Slurm job 7 ends in 9 min; save your work"]
    assert texts(teller.story.set_job("Slurm job 7", 1750, teller.now)) == [
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


def test_an_unknown_event_is_nothing() -> None:
    assert Teller().tell({"state": "later"}, {"state": "live", "config": {}}, {}) == []


def test_a_warning_is_passed_on() -> None:
    assert Teller().tell({"state": "warning", "reason": "the port is open to all"}) == ["The port is open to all"]


def test_an_end_that_the_owner_asks_for_elsewhere_is_told() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    assert teller.tell(events.stopping("owner", "its owner has asked for it")) == [
        "Ending, because its owner has asked for it"
    ]
    assert teller.status() == "ending the application | 0 s | Ctrl-C ends it at once"
    assert teller.tell(events.exit_(-signal.SIGTERM)) == ["The application has ended"]


def test_an_application_that_nobody_uses_is_warned_of() -> None:
    teller = Teller()
    teller.tell(EXECUTE, CONNECT, CONTROL, LIVE)
    (warning,) = teller.tell(events.idle(6480, 720, 0))
    assert warning == "14:03 Nobody has used it for 1 h 48 min; it ends in 12 min unless somebody does"
    teller.now += 60
    assert teller.status() == f"{HOST} | unused, ends in 11 min | Ctrl-C ends it"
    assert teller.tell(events.vetoed(7200)) == ["14:03 It is busy, and goes on"]
    assert teller.tell(events.used_again(3)) == ["14:03 Somebody uses it again"]
    assert teller.status() == f"{HOST} | Ctrl-C ends it"
