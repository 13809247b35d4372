"""What the client waits for, and how long."""

from __future__ import annotations

import attrs

from conductor_trio.limits.constants import KIB, MIB
from conductor_trio.limits.linger import LingerLimits


@attrs.frozen(kw_only=True, repr=False)
class ClientLimits(LingerLimits):
    """What the client waits for, and how long."""

    term_timeout: float = 3.0  # between SIGTERM and SIGKILL to the application (docs/protocol.md, "Commands")
    replace_timeout: float = 5.0  # for the former listener to let go of the local socket
    # Pauses between looks whether the application listens; growing, since most are ready soon or late, and by so
    # little that an application is noticed after an eighth more than it took.
    probe_pause: float = 0.005
    max_probe_pause: float = 0.2
    probe_growth: float = 1.25
    probe_timeout: float = 30.0  # for the answer to a request; the application may be loading what it needs
    max_probe_head: int = 64 * KIB  # of that answer
    # Back-off between dials grows by a quarter: an outage is over for us after about a quarter more than it took.
    redial_pause: float = 0.2
    redial_growth: float = 1.25
    redial_jitter: float = 0.5  # of a pause, at random: all clients of a restarted gateway would come back at once
    max_redial_pause: float = 30.0
    max_reopen_pause: float = 1.5  # while SSH stands and only the server is away, which costs nobody a login
    # In a row, of what is neither the server's absence nor its word: then the transport may be to blame.
    max_channel_failures: int = 2
    closing_timeout: float = 0.1  # for the news that the control channel is closed to come through SSH
    # Between two looks whether a session has ended, and how long that may take: a stop waits for an application of
    # ours for 3 s at most, and for news of the end that come over a busy network.
    stop_poll_pause: float = 0.2
    stop_timeout: float = 60.0
    completion_timeout: float = 4.0  # for a shell that completes a session's key: a login, and somebody who waits
    ping_timeout: float = 28.0  # of silence of a server that pings, and the link is dead: within 30 s
    min_idle_warning: float = 60.0  # before an unused application is ended: enough to come back and click
    busy_timeout: float = 30.0  # for the user's --busy; a Jupyter server under load may take seconds to answer
    busy_term_timeout: float = 1.0  # between SIGTERM and SIGKILL to a --busy that is late
    uplink_timeout: float = 2.0  # for a way out of a network namespace; pasta takes 0.15 s
    uplink_interval: float = 0.005  # between two looks for it, of which no event tells without another program
    max_uplink_output: int = 4 * KIB  # of what pasta or slirp4netns say, of which the last line is told
    hint_pause: float = 15.0  # for an application to listen that was not told where; then its user is told how
    port_look_interval: float = (
        2.0  # between two looks for the TCP port of one that does not listen where it should
    )
    # For what an application has left in the background to listen: most do within a second, and where it cannot be
    # told whether there is anything, its user waits for as long.
    background_timeout: float = 3.0
    unseen_background_timeout: float = 1.0
    show_timeout: float = 0.1  # to confirm that visitors see the application; a server that does not has heard
    leave_timeout: float = 1.0  # for the server to take notice that we end on purpose
    ssh_alive_interval: int = 8  # ServerAliveInterval; with the count below a dead link shows within 25 s
    ssh_alive_count: int = 2
    ssh_command_timeout: float = 30.0  # one command over the connection that already stands
    # A command in the login shell at the gateway, whose start-up files may take long; `ssh host true` does, then.
    login_shell_timeout: float = 60.0
    shell_timeout: float = 3.0  # $SHELL on this host, which ssh runs commands with
    server_start_timeout: float = 3.0  # for a control socket that is not there yet; *conductor* waits as long
    control_timeout: float = 30.0  # banner and reply of a server that accepts and then says nothing
    login_timeout: float = 300.0  # sshd's LoginGraceTime is 120 s; a jump host and a second factor can double it
    connect_timeout: int = 15  # ssh's ConnectTimeout: an address that does not answer, and the handshake
    output_stall_timeout: float = 10.0  # at the end, for a reader of our output that does not read
    splice_size: int = 384 * KIB  # the buffer of the local transport, as the server's
    max_output_backlog: int = 1 * MIB  # of the application's output not yet written; then the application waits
    read_size: int = 64 * KIB

    # The client's output and display.
    # For the rest of a line that has begun: who writes it in pieces writes the next one at once, who waits for an
    # answer to it does not.
    line_pause: float = 0.25
    max_kept_line: int = 64 * KIB  # of such a line, in characters
    max_output_write: int = 16 * KIB  # small enough that who reads at all takes it within `output_stall_timeout`
    display_interval: float = 1.0  # calm, and often enough for seconds that are counted
    # For the terminal to take something; then what the application writes is left out, lest it waits for a stuck
    # terminal and nobody's request is answered. A pipe holds 64 KiB, so as much a second costs it nothing.
    terminal_timeout: float = 1.0
    max_held_text: int = 256 * KIB  # of the application's text, in characters, while ssh may be asking
    key_share_time: float = 8 * 3600.0  # that a link holds which a key on the terminal made: a day's work
    browser_timeout: float = 30.0  # for a shell that starts the browser: a cold file system
    signal_debounce: float = 0.1  # timeout(1), for one, signals us and then our whole group: that is one request

    # conductor-trio submit. The batch system's daemon answers everybody on the cluster, so it is asked seldom.
    job_look_pause: float = 1.0
    job_look_growth: float = 1.5
    max_job_look_pause: float = 20.0
    queue_look_interval: float = 60.0  # between two questions for all jobs that wait
    log_look_interval: float = 0.5  # between two looks at the log and the link, which another node writes

    # What ssh says, and how it ends.
    max_ssh_lines: int = 100  # kept to explain a failure: a banner, and what comes after it
    max_ssh_line: int = 4096  # bytes
    ssh_last_words_timeout: float = 0.1  # ssh closes what it carries a moment before it ends and says why
    ssh_term_timeout: float = 1.0  # ssh ends at once upon SIGTERM, unless it hangs
    # What is taken away behind our back, such as sockets by what cleans up /tmp. A look is four stat().
    look_interval: float = 5.0
    touch_interval: float = 600.0  # well within an hour, the shortest age by which anybody cleans up
    way_probe_interval: float = 30.0  # of the whole way; as a dead link, a dead way shows within a minute
    way_probe_pause: float = 3.0  # before the second try, which decides
    way_probe_timeout: float = 10.0  # for what the server has said already to arrive, beside its other words
    # For a visitor's first byte while a probe is expected; the server connects when it has something to say.
    way_look_timeout: float = 5.0
    way_look_pause: float = 0.01  # for the rest of what has begun like a probe
    unix_connect_timeout: float = 5.0  # to a server or an application on this host; what the server allows a relay

    # conductor-trio doctor.
    resolve_timeout: float = 15.0  # three nameservers, each asked as resolv.conf(5) has it by default
    probe_connect_timeout: float = 15.0  # TCP, the greeting of an SSH server, or a TLS handshake
    answer_timeout: float = 30.0  # for the answer to an HTTP request, which may wake an application
    max_probe_answer: int = 64 * KIB  # of an answer, which is 32 bytes long where all is well
