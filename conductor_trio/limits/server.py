"""What the server allows its visitors, applications and clients."""

from __future__ import annotations

import attrs

from conductor_trio.limits.constants import KIB, MAX_PIPES, MIB
from conductor_trio.limits.linger import LingerLimits


@attrs.frozen(kw_only=True)
class ServerLimits(LingerLimits):
    """What the server allows its visitors, applications and clients."""

    # Heads. 64 KiB and 100 fields are what browsers never reach; 16 KiB of target is twice nginx's default.
    max_head: int = 64 * KIB
    max_fields: int = 100
    head_read_size: int = 16 * KIB  # one recv() of heads, and of what may come behind them: nginx's for bodies
    max_target: int = 16 * KIB
    # What is remembered of heads: where the fields of requests stand, and responses without credentials. A browser
    # has about a dozen blocks of fields for a page and its parts; 1024 entries are 5 MiB as browsers write them.
    max_remembered: int = 1024
    max_remembered_per_user: int = 256
    max_remembered_head: int = 4 * KIB

    # Visitors.
    tls_handshake_timeout: float = 10.0
    # Under way at once, of one address: 50 KiB each, and milliseconds long where the visitor is in earnest.
    max_address_handshakes: int = 512
    head_timeout: float = 15.0  # from the first byte of a request's head to its last: slow loris
    idle_timeout: float = 75.0  # between requests of a kept connection: nginx's keepalive_timeout
    body_stall_timeout: float = 300.0  # a request body of which nothing comes
    max_visitors: int = 16384  # connections at once
    # Of one address, or /64 of IPv6: a half of all, for a campus behind one address is many; six for each of 1300
    # browsers.
    max_address_visitors: int = 8192
    leaving_share: int = 16  # one in so many connections may be giving way to another
    idle_look_pause: float = 0.1  # after a look at all idle connections that found none to close
    max_turned_away: int = 128  # connections that are being told that there is no place for them
    turned_away_interval: float = 10.0  # between two words of it in the log
    # Descriptors: from these numbers on they are kept for others; set at start (`server.operation.descriptors`).
    max_visitor_descriptor: int = 1 << 30
    max_client_descriptor: int = 1 << 30
    max_upstream_descriptor: int = 1 << 30
    max_kept_descriptor: int = 1 << 30  # of connections to applications that are kept
    max_pipes: int = MAX_PIPES

    # What is kept in memory for those who do not take it, or have not said all: heads that come in parts, requests
    # that wait, answers that are not read. A stalled download is none of it (`Stream.room_nowait`).
    max_account_held: int = 32 * MIB  # for one user, or one address: 256 heads of the greatest size, twice
    max_held: int = 256 * MIB  # for all
    grace_timeout: float = 10.0  # running requests and tunnels at shutdown
    drain_idle_timeout: float = 1.0  # for one more request on a kept connection before it is closed at shutdown

    handover_timeout: float = 10.0  # for each step that a predecessor or a successor has to take
    upgrade_timeout: float = 60.0  # from SIGHUP until the successor asks for our listeners: a cold, busy disk
    successor_pause: float = 0.5  # that a visitor waits for our successor before what is left is cut
    state_pause: float = 0.2  # between two writes of what a successor has to know
    state_timeout: float = 2.0  # a disk that hangs

    # Workers.
    worker_start_timeout: float = 30.0  # from its start to its first word: a cold, busy disk
    worker_ack_timeout: float = 1.0  # to have in force what it was told; one that takes longer is replaced
    worker_report_interval: float = 0.5  # between two words of a worker of what it has done
    worker_pause: float = 1.0  # before one is started anew that has never served, doubled from time to time
    max_worker_pause: float = 30.0
    worker_end_timeout: float = 5.0  # for one that was told to end, beyond the last words of its visitors
    adoption_timeout: float = 3.0  # for a killed server's worker to lend its listeners; one that hangs is killed

    # Sessions whose link was lost, and whose client is expected back.
    detached_timeout: float = 60.0  # how long their names are kept
    park_timeout: float = 10.0  # how long a request waits for them, and then another try is up to the visitor
    max_route_parked: int = 256  # a browser has six connections, so that is a class of forty
    max_user_parked: int = 1024
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
    watch_read_size: int = 4 * KIB  # of what the visitor sends meanwhile, which nobody wants yet: a browser's head
    abort_interval: float = 1.0  # between two looks for an abort, while the visitor has sent more than that
    lost_link_delay: float = 0.01  # sshd that dies closes a relayed connection and the control channel
    # The same where nobody listens at the relay socket: on a busy host the one takes a while after the other.
    refused_relay_delay: float = 0.5
    max_user_connections: int = 8192  # the same for all sessions of one user
    max_route_connections: int = 4096  # exchanges and tunnels at once; one application cannot take all of ours
    max_idle_upstreams: int = 32  # kept connections for each route: one for each of a browser's parallel requests
    upstream_idle_timeout: float = 4.0  # below the 5 s after which Node.js and uvicorn close a kept connection
    read_size: int = 64 * KIB  # one recv() of what is looked at
    splice_size: int = 384 * KIB  # and of what is only passed on: measured, a half more a second than with 192

    # Fairness, while several want something.
    processor_share: float = 0.5  # for one of them: most requests of the others find it free then
    processor_share_of_all: float = 0.8  # for all that are busy, so that the others find it free now and then
    processor_burst: float = 0.02  # seconds that one may be ahead of its share, as for a page of many parts
    use_period: float = 0.25  # over two of which it is seen who is busy
    contention_memory: float = 1.0  # since two have wanted something
    max_networks: int = 10_000  # of visitors, whose use is remembered; the longest unused go first

    # Cyclic garbage that is not young. To look for it takes 50 ms for 100,000 objects, so that is done only when
    # memory has grown by so much since the last time, beyond what those who are here by now take.
    memory_of_one: int = 32 * KIB  # a session takes 27 KiB, a tunnel 12, of TLS 40
    garbage_interval: float = 15.0  # between two moments at which it may be collected
    min_growth: int = 16 * MIB  # and by a part of what it was:
    calm_growth: float = 0.25  # where nobody is in anybody's way
    busy_growth: float = 1.0  # in any case: once or twice in the life of a server

    # Wrong tokens. That many at once of one address at one route, then one in each interval: a person who tries an
    # old link again, and a token of 32 bits is safe for a lifetime.
    max_token_failures: int = 10
    token_failure_interval: float = 1.0
    # And of one address at all routes, or of all addresses at one: 32 bits are safe for years.
    max_failures_of_all: int = 100
    failure_interval_of_all: float = 0.1
    max_first_failures_of_all: int = 1000  # where the address has not failed within `failure_memory`
    failure_memory: float = 60.0
    max_throttled_peers: int = 10_000  # with routes, whose failures are remembered; the longest unused go first
    max_refused_guesses: int = 50_000  # that may come back: for some seconds of a flood
    max_known_wrong_tokens: int = 256  # of a route: pages that were left open with an old token
    max_known_addresses: int = 64  # of a route, that were let in: its owner's, and a class of visitors

    # Requests and pages of the data plane.
    max_repeats: int = 3  # of one request: a link that is lost again and again is not to keep a visitor for ever
    idle_looks: int = 16  # at all idle connections, within `idle_timeout`
    max_login_form: int = 4 * KIB  # a token is 32 bytes
    max_wrong_proofs: int = 10  # on one connection of a session's page, which shows one
    max_page_proofs: int = 16  # of a session: its pages that were loaded and have not connected yet
    max_page_message: int = 4 * KIB  # from the session page's WebSocket
    max_page_silence: int = 64 * KIB  # that come without a whole message: empty pieces of one, pings
    page_handshake_timeout: float = 5.0
    page_update_pause: float = 0.5  # between two looks at the session, while somebody looks at its page
    # Session pages that are looked at: a class looks at its demonstration, from one network at its own sessions.
    max_session_pages: int = 64
    max_user_pages: int = 256
    max_network_pages: int = 256

    # Control channel.
    control_line_timeout: float = 15.0  # from a line's first byte to its newline
    control_send_timeout: float = 15.0  # a reply that is not read
    user_lookup_timeout: float = 5.0  # a directory service can hang for seconds
    # For how long it is believed what a directory service has said of a user, and of how many: a login each minute
    # costs it less, and who was taken out of a group is out of it here a minute later.
    user_memory: float = 60.0
    max_known_users: int = 10_000
    max_control_lines: int = 16  # further lines after the registration, which the protocol does not have
    farewell_timeout: float = 1.0  # for a refused client to read why, and to stop sending
    # A class of demonstrations may come from one account; what a user cannot do is to fill the gateway alone.
    max_user_sessions: int = 1024
    max_sessions: int = 8192
    max_user_unregistered: int = 256  # control connections that did not register: on their way, or an owner's
    max_user_refused: int = 16  # of one user, whose clients are given time to read why
    max_user_new_sessions: int = 1200  # a minute and user, at about 2 ms each: a flood takes 4 % of the processor
    # Session directories in which something stays that cannot be removed.
    leftover_interval: float = 60.0  # between two rounds of further attempts
    max_leftover_visits: int = 64  # in a round
    max_leftover_removals: int = 10_000  # in one visit: 0.1 s of a thread of its own
    leftover_timeout: float = 10.0  # for one visit
    max_leftovers: int = 16384  # that are known; what are more wait for the next start
    # Channels that were opened within it count as opened at once; who starts a client anew takes longer to log in.
    same_time: float = 0.1
    # A client that the operator tells to end: it ends the application in 5 s, and stays as long for last words.
    operator_end_timeout: float = 15.0
    ping_interval: float = 10.0  # to clients that answer
    ping_timeout: float = 28.0  # of silence, and the link is dead: within 30 s
    probe_timeout: float = 10.0  # for a client to take a probe of its way, as long as it waits for that
    probe_pause: float = 1.0  # between two probes: a client has one in half a minute, and nobody can have a flood
    watch_pause: float = (
        0.05  # between two looks at a directory that changes; doubled while it does, up to the next
    )
    max_watch_pause: float = 1.0
    runtime_look_interval: float = 2.0  # for what was removed from the runtime directory: a few stat()
    # Where the kernel has no watch to give: a look costs 10 µs, and clients notice by themselves, too.
    unwatched_interval: float = 2.0
