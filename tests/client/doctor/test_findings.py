"""The checks of doctor and their failures: for each there is somebody to ask, and a line that programs read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.doctor.findings import Check, CheckFailed, format_finding_json, make_failure
from conductor_trio.errors import ConductorError, TransportError
from conductor_trio.findings import Finding, Status


def test_the_checks_are_in_the_order_of_the_way_and_back() -> None:
    """Programs compare these words."""
    assert [check.value for check in Check] == [
        "application",
        "resolve",
        "connect",
        "host key",
        "login",
        "control socket",
        "greeting",
        "forwarding",
        "relay socket",
        "registration",
        "host name",
        "TLS",
        "request",
    ]


@pytest.mark.parametrize("check", Check)
def test_for_each_failure_there_is_somebody_to_ask(check: Check) -> None:
    finding = make_failure(check, ConductorError("gone"))
    assert finding.contact
    assert finding == Finding(check=check.value, status=Status.FAILED, detail="gone", contact=finding.contact)


@pytest.mark.parametrize(
    ("check", "whom"),
    [
        (Check.APPLICATION, "nobody: it is on this host"),
        (Check.CONNECT, "whoever runs the network of this host"),
        (Check.LOGIN, "whoever runs the gateway's SSH server"),
        (Check.BANNER, "whoever runs conductor-trio-server on the gateway"),
        (Check.TLS, "whoever runs the gateway's domain, certificates and front proxy"),
    ],
)
def test_who_is_asked_is_who_runs_that_hop(check: Check, whom: str) -> None:
    assert make_failure(check, ConductorError("gone")).contact == whom


@pytest.mark.parametrize(
    "error",
    [
        CheckFailed(Check.LOGIN, "permission denied", advice="ask for a key"),
        TransportError("permission denied", advice="ask for a key", hop="ssh", reason="login"),
    ],
)
def test_what_was_found_and_the_advice_on_it_stand_apart(error: ConductorError) -> None:
    finding = make_failure(Check.LOGIN, error)
    assert (finding.detail, finding.advice) == ("permission denied", "ask for a key")


@pytest.mark.parametrize("status", Status)
def test_only_a_failure_tells_programs_whom_to_ask(status: Status) -> None:
    finding = Finding(check="login", status=status, detail="d", advice="a", contact="c")
    fields = {"hop": "login", "status": status.value, "detail": "d"}
    if status is Status.FAILED:
        fields |= {"advice": "a", "whom": "c"}
    assert json.loads(format_finding_json(finding)) == fields


@given(st.sampled_from(Check), st.text(), st.text())
def test_a_finding_is_one_line_of_ascii_for_programs(check: Check, what: str, advice: str) -> None:
    line = format_finding_json(make_failure(check, ConductorError(what, advice=advice)))
    assert line.isascii() and line.endswith("\n") and line.count("\n") == 1
    assert json.loads(line)["detail"] == what
    assert json.loads(line)["advice"] == advice


def test_the_gateway_says_itself_whom_to_ask() -> None:
    error = ConductorError("gone")
    assert make_failure(Check.RELAY, error, "HPC").contact == "HPC"
    assert make_failure(Check.TLS, error, "HPC").contact == "HPC"
    assert make_failure(Check.LOGIN, error, "HPC").contact == make_failure(Check.LOGIN, error).contact
