"""Every timeout, pause, size and count in one place, each with its reason.

What an operator, a user or a test may want otherwise is a field of `ServerLimits` or `ClientLimits`; facts of the
kernel or a protocol, and what nobody tunes, are constants of this module. `*_timeout`, `*_interval` and `*_pause`
are seconds; `max_*` are bytes or counts, as their comment says. None stands elsewhere: tests/repo/test_limits.py.
"""

from __future__ import annotations

import attrs

KIB = 1024
MIB = 1024 * KIB

#: Where both programs look unless told otherwise (docs/protocol.md, "Directories and sockets").
DEFAULT_RUNTIME_DIR = "/var/run/conductor"
DEFAULT_CONTROL_SOCKET = DEFAULT_RUNTIME_DIR + "/client"
DEFAULT_PORT = 8888

#: The longest path that connect() takes for a UNIX socket: sun_path is 108 bytes and ends with NUL (unix(7)).
MAX_SOCKET_PATH = 107

#: The name of the relay socket in a session's directory (docs/protocol.md, "Control channel").
RELAY_NAME = "socket"

#: One line of the control channel, newline included, in bytes (docs/protocol.md, "Control channel").
MAX_CONTROL_LINE = 64 * KIB

# What else either end of the control channel may say.
MAX_OWNER_ANSWER = 4 * MIB  # bytes of the answer to a command: more sessions than a gateway allows one user
MAX_NODE_NAME = 64  # characters of a computer's name in a registration
MAX_SHARE_LABEL = 60  # characters
MAX_SHARE_TIME = 366 * 86400.0  # seconds: a year
MAX_TIME = 5e9  # Unix time, in the year 2128; what is later, or longer, is a mistake

#: One line of a snapshot, in bytes: all that is left of one session, with its shares (80 KiB at most).
MAX_SNAPSHOT_LINE = 256 * KIB
#: The one line of a snapshot of version 1, which held all sessions.
MAX_SNAPSHOT_V1 = 64 * MIB

# What a request may show of tokens: more cookies than a browser keeps for a domain (180 in Chromium), so that
# planted ones cannot crowd out the right one, and few enough that one request is not thousands of guesses.
MAX_TOKENS_SHOWN = 200
#: Bytes of a file that holds a token, which has to fit a cookie.
MAX_TOKEN_FILE = 4 * KIB
#: Bits that a token needs to be safe from guessing: at a million guesses a second, for ten thousand years.
MIN_TOKEN_BITS = 64
#: Bytes of randomness in a token that we make: 192 bits, 32 letters.
TOKEN_ENTROPY = 24

# Preflights of pages of allowed origins (Fetch section 3.2).
MAX_PREFLIGHT = 2 * KIB  # bytes of the method and the names of fields that it asks for
PREFLIGHT_MAX_AGE = (
    600  # seconds for which a browser remembers the answer: a changed option is in force in minutes
)

# After how many seconds a page that says what is wrong asks again by itself.
STARTING_RELOAD = 2  # most applications take a few
LINK_LOST_RELOAD = 3  # a request is parked for longer, so a browser asks a few times a minute
CROSS_SITE_RELOAD = 1  # the page goes on by itself, now as a page of the application's own host
BROKEN_RELOAD = 5  # it may need its owner
BROKEN_RETRY = 2  # Retry-After, for programs

MAX_PORT = 65535

# Facts of the kernel.

#: Descriptors in one message (SCM_MAX_FD, unix(7)).
MAX_PASSED_DESCRIPTORS = 253
#: A pipe that anybody may have (pipe(7)); with the usual 64 KiB, splice(2) is hardly faster than copying.
MAX_PIPE_SIZE = 1 * MIB

# Streams and listeners, of both programs.

#: Connections that wait for accept(); the kernel cuts it to net.core.somaxconn.
LISTEN_BACKLOG = 1024
#: Connections accepted before other tasks have their turn: about a millisecond's worth.
MAX_ACCEPTS = 64
#: After a lack of descriptors or memory, for connections to end.
SHORTAGE_PAUSE = 0.1
# TCP peers that vanish without a word: the first probe after a minute of silence, given up after two.
KEEPALIVE_IDLE = 60
KEEPALIVE_INTERVAL = 15
MAX_KEEPALIVE_PROBES = 4
#: What a UNIX socket holds for its peer: five times the usual default, where the system allows as much, so that an
#: upload waits less often. Doubled by the kernel for its own use of it (socket(7)). TCP's grow by themselves.
UNIX_SEND_BUFFER_SIZE = 512 * KIB
#: Between attempts to connect to a UNIX socket whose backlog is full, of which no event tells; the last repeats.
BACKLOG_PAUSES = (0.005, 0.01, 0.02, 0.04, 0.08)
#: One recv() of what nobody wants.
READ_AWAY_SIZE = 64 * KIB
#: Between two looks whether last words are delivered, of which no event tells; doubled up to the second.
DELIVERY_INTERVAL = 0.01
MAX_DELIVERY_INTERVAL = 0.25
#: One recv() of ciphertext: four records of the greatest size (RFC 8446 section 5.1).
TLS_READ_SIZE = 64 * KIB

# Child processes, of both programs.

#: Between two looks whether a process group still has a member that runs, of which no event tells.
GROUP_POLL_INTERVAL = 0.02
#: After SIGKILL a process goes at once, unless the kernel holds it, in which case nothing helps.
KILL_TIMEOUT = 2.0

# The server's operation.

#: A server that ends, having drained, locks its directory once more for as long as it takes to remove it.
MAX_OWNERSHIP_ATTEMPTS = 4
OWNERSHIP_PAUSE = 0.02
#: What is read or written of a hand-over in one step.
HANDOVER_PIECE_SIZE = 64 * KIB
#: Of a session, for its owner's eyes; the oldest go first.
MAX_SESSION_EVENTS = 40
#: Between SIGTERM and SIGKILL to a successor that did not get our listeners, and so serves nobody.
SUCCESSOR_TERM_TIMEOUT = 3.0

# What `conductor-trio-server check` allows for.

#: Before a certificate ends: time enough for a renewal that has to be asked for. Seconds.
CERTIFICATE_WARNING_INTERVAL = 14 * 86400.0
CHECK_CONNECT_TIMEOUT = 5.0
SSHD_TIMEOUT = 10.0  # sshd -T, which may look up names

# The client's host.

#: The longest parent, in bytes, of a directory for sockets. With it, all that ssh and applications add to a path
#: stays below MAX_SOCKET_PATH; the longest are those of Jupyter's kernels, which its recipe puts beside ours.
MAX_TEMP_PARENT = 24
#: Between two questions about a batch job's end. Its limit may be changed while it runs, but the batch system's
#: daemon answers everybody on the cluster.
JOB_INTERVAL = 600.0
JOB_TIMEOUT = 30.0  # for the answer
JOB_KILL_TIMEOUT = 5.0  # between SIGTERM and SIGKILL to a batch system's command that is late
#: How much sooner than expected a ping's count may seem to have begun, for it and the answer to the registration
#: take different times on their way.
PING_JITTER = 1.0
#: A ping tells tenths of a second.
PING_RESOLUTION = 0.1
#: Of the terminal's commands that make a style; an application that never resets it sends more and more.
MAX_STYLES = 16

# HTTP/1.1 messages.
#: A chunk's size and its extensions, CRLF included, in bytes: as nginx's default for a line of a head.
MAX_CHUNK_LINE = 4 * KIB
#: Of a Content-Length: 18 digits are below 2**63, so that every size fits where sizes are counted.
MAX_CONTENT_LENGTH_DIGITS = 18
#: What a request line holds beside its target, in bytes: method, version, white space. The longest method that is
#: registered has 17.
MAX_METHOD_AND_VERSION = 64


@attrs.frozen(kw_only=True)
class LingerLimits:
    """What the end of a connection may take, so that all arrives that was said before it; for both programs.

    Words are delivered when the peer's kernel has them (`SocketStream.undelivered`).
    """

    send_stall_timeout: float = 300.0  # a peer that takes nothing, while we send or when we have ended
    linger_total_timeout: float = 900.0  # for last words, however slowly read: 4 MiB of a queue at 5 KB/s
    linger_timeout: float = 5.0  # all is delivered, and the peer is still sending: as nginx's lingering_timeout
    linger_quiet_timeout: float = 1.0  # all is delivered, and so long nothing has come
    max_linger: int = 16 * MIB  # bytes of the peer's that are read away
    # One side of a relay takes no more, and nothing comes from it any more: retransmissions take a few seconds.
    silence_timeout: float = 10.0


#: For tunnels whose session is over: its application's last words are under way, or there are none.
ENDED_SESSION_LINGER = LingerLimits(linger_total_timeout=5.0, silence_timeout=0.5)

#: For connections that are cut with the whole program, or refused because there are too many.
BRIEF_LINGER = LingerLimits(
    send_stall_timeout=1.0,
    linger_total_timeout=1.0,
    linger_timeout=0.5,
    linger_quiet_timeout=0.1,
    silence_timeout=0.5,
)


@attrs.frozen(kw_only=True)
class ServerLimits(LingerLimits):
    """What the server allows its visitors, applications and clients."""

    # Heads. 64 KiB and 100 fields are what browsers never reach; 16 KiB of target is twice nginx's default.
    max_head: int = 64 * KIB
    max_fields: int = 100
    max_target: int = 16 * KIB
    # What is remembered of heads: where the fields of requests stand, and responses without credentials. A browser
    # has about a dozen blocks of fields for a page and its parts; 1024 entries are 5 MiB as browsers write them.
    max_remembered: int = 1024
    max_remembered_per_route: int = 256
    max_remembered_head: int = 4 * KIB

    # Visitors.
    tls_handshake_timeout: float = 10.0
    head_timeout: float = 15.0  # from the first byte of a request's head to its last: slow loris
    idle_timeout: float = 75.0  # between requests of a kept connection: nginx's keepalive_timeout
    body_stall_timeout: float = 300.0  # a request body of which nothing comes
    max_visitors: int = 16384  # connections at once
    grace_timeout: float = 10.0  # running requests and tunnels at shutdown
    drain_idle_timeout: float = 1.0  # for one more request on a kept connection before it is closed at shutdown

    handover_timeout: float = 10.0  # for each step that a predecessor or a successor has to take
    upgrade_timeout: float = 60.0  # from SIGHUP until the successor asks for our listeners: a cold, busy disk
    successor_pause: float = 0.5  # that a visitor waits for our successor before what is left is cut
    state_pause: float = 0.2  # between two writes of what a successor has to know
    state_timeout: float = 2.0  # a disk that hangs

    # Sessions whose link was lost, and whose client is expected back.
    detached_timeout: float = 60.0  # how long their names are kept
    park_timeout: float = 10.0  # how long a request waits for them, and then another try is up to the visitor
    max_route_parked: int = 256  # a browser has six connections, so that is a class of forty
    max_parked: int = 4096
    max_parked_bytes: int = 32 * MIB  # heads and what came with them, of all requests that wait
    tombstone_timeout: float = 3600.0  # how long it is remembered that a session has ended, and since when
    max_tombstones: int = 10_000
    max_user_tombstones: int = 200
    expiry_interval: float = 1.0  # between two looks for what is over: visitors are told in seconds

    # Shares. Each costs a comparison for every request of its session.
    max_shares: int = 100  # of a session
    max_user_shares: int = 2000  # of all sessions of one user, which are left to a successor together

    # Applications.
    connect_timeout: float = 5.0  # to a relay socket; a full backlog is retried within it
    watch_delay: float = 0.05  # silence of the application after which the visitor is watched for an abort
    lost_link_delay: float = 0.01  # sshd that dies closes a relayed connection and the control channel
    max_route_connections: int = 4096  # exchanges and tunnels at once; one application cannot take all of ours
    max_idle_upstreams: int = 32  # kept connections for each route: one for each of a browser's parallel requests
    upstream_idle_timeout: float = 4.0  # below the 5 s after which Node.js and uvicorn close a kept connection
    read_size: int = 64 * KIB  # one recv() of what is looked at
    splice_size: int = 384 * KIB  # and of what is only passed on: measured, a half more a second than with 192

    # Fairness, while several routes want something.
    route_share: float = 0.5  # of the processor, for one: most requests of the others find it free then
    route_burst: float = 0.02  # seconds that it may be ahead of its share, as for a page of many parts
    contention_memory: float = 1.0  # since two routes have wanted something

    # Failed tokens, for each peer and route: that many at once, then one answer in each interval.
    max_token_failures: int = 10
    token_failure_interval: float = 1.0
    max_token_failure_wait: float = 8.0
    max_throttled_peers: int = 10_000  # with routes, whose failures are remembered; the longest unused go first

    # Requests and pages of the data plane.
    max_repeats: int = 3  # of one request: a link that is lost again and again is not to keep a visitor for ever
    idle_looks: int = 16  # at all idle connections, within `idle_timeout`
    max_login_form: int = 4 * KIB  # a token is 32 bytes
    max_page_proofs: int = 16  # of a session: its pages that were loaded and have not connected yet
    max_page_message: int = 4 * KIB  # from the session page's WebSocket
    page_handshake_timeout: float = 5.0
    page_update_pause: float = 0.5  # between two looks at the session, while somebody looks at its page

    # Control channel.
    control_line_timeout: float = 15.0  # from a line's first byte to its newline
    control_send_timeout: float = 15.0  # a reply that is not read
    user_lookup_timeout: float = 5.0  # a directory service can hang for seconds
    max_control_lines: int = 16  # further lines after the registration, which the protocol does not have
    farewell_timeout: float = 1.0  # for a refused client to read why, and to stop sending
    # A class of demonstrations may come from one account; what a user cannot do is to fill the gateway alone.
    max_user_sessions: int = 1024
    max_sessions: int = 8192
    max_user_new_sessions: int = 1200  # a minute and user, at about 2 ms each: a flood takes 4 % of the processor
    ping_interval: float = 10.0  # to clients that answer
    ping_timeout: float = 28.0  # of silence, and the link is dead: within 30 s
    watch_pause: float = (
        0.05  # between two looks at a directory that changes; doubled while it does, up to the next
    )
    max_watch_pause: float = 1.0


@attrs.frozen(kw_only=True)
class ClientLimits(LingerLimits):
    """What the client waits for, and how long."""

    term_timeout: float = 3.0  # between SIGTERM and SIGKILL to the application (docs/protocol.md, "Commands")
    replace_timeout: float = 5.0  # for the former listener to let go of the local socket
    # Pauses between looks whether the application listens; growing, since most are ready soon or late.
    probe_pause: float = 0.01
    max_probe_pause: float = 0.2
    probe_growth: float = 1.5
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
    relay_mode_timeout: float = 30.0  # a slow login shell and chmod; sshd may make the mode itself
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
    max_output_write: int = 16 * KIB  # small enough that who reads at all takes it within `output_stall_timeout`
    display_interval: float = 1.0  # calm, and often enough for seconds that are counted
    # For the terminal to take something; then what the application writes is left out, lest it waits for a stuck
    # terminal and nobody's request is answered. A pipe holds 64 KiB, so as much a second costs it nothing.
    terminal_timeout: float = 1.0
    max_held_text: int = 256 * KIB  # of the application's text, in characters, while ssh may be asking
    browser_timeout: float = 30.0  # for a shell that starts the browser: a cold file system
    signal_debounce: float = 0.1  # timeout(1), for one, signals us and then our whole group: that is one request

    # What ssh says, and how it ends.
    max_ssh_lines: int = 100  # kept to explain a failure: a banner, and what comes after it
    max_ssh_line: int = 4096  # bytes
    ssh_last_words_timeout: float = 0.1  # ssh closes what it carries a moment before it ends and says why
    ssh_term_timeout: float = 1.0  # ssh ends at once upon SIGTERM, unless it hangs
    unix_connect_timeout: float = 5.0  # to a server or an application on this host; what the server allows a relay

    # conductor-trio doctor.
    resolve_timeout: float = 15.0  # three nameservers, each asked as resolv.conf(5) has it by default
    probe_connect_timeout: float = 15.0  # TCP, the greeting of an SSH server, or a TLS handshake
    answer_timeout: float = 30.0  # for the answer to an HTTP request, which may wake an application
    max_probe_answer: int = 64 * KIB  # of an answer, which is 32 bytes long where all is well
