"""Facts of the kernel or of a protocol, and what nobody tunes, each with its reason."""

from __future__ import annotations

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
#: Connections accepted before other tasks have their turn: with what each of them begins with, about a
#: millisecond's worth.
MAX_ACCEPTS = 16
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
#: Commas in a head: each may part two elements of a list, and to look at 60,000 takes milliseconds, in which
#: nobody else is served. A browser's head has some dozens.
MAX_LIST_COMMAS = 4096
#: Fields of a response's head or trailers. Each takes a microsecond, in which nobody else is served, and a head
#: could hold 20,000. Apache and HAProxy take 100.
MAX_RESPONSE_FIELDS = 1000
#: Chunks that are looked at in one go, for a fifth of a millisecond: one read can bring 10,000 of one byte.
MAX_CHUNKS_AT_ONCE = 200
#: Heads and pieces of a body that are passed on in one go: a response's interim head, its head, its body, its end.
MAX_EVENTS_AT_ONCE = 4
#: One recv() of a control channel: some 200 lines, which take milliseconds, and seldom is there more than one.
CONTROL_READ_SIZE = 4 * KIB
#: Sessions that are described in one go: 20 µs each, and 200 with a hundred shares.
MAX_DESCRIBED_AT_ONCE = 8
#: Those that are told something, or looked at, in one go, at 10 to 30 µs each: of sessions and visitors there can
#: be thousands.
MAX_TOLD_AT_ONCE = 64
#: One recv() from a session page's WebSocket: forty pings, each of which takes 40 µs to answer.
PAGE_READ_SIZE = 256
#: Seconds that no turn of the event loop is to take longer than, in which those who have just come wait.
LOOP_DELAY_GOAL = 0.005
#: Turns of the event loop that are counted: those that took longer than so many seconds.
LOOP_DELAY_BOUNDS = (0.001, 0.0025, LOOP_DELAY_GOAL, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
#: For how long the longest is remembered, in seconds; whoever looks once a minute misses none.
LOOP_DELAY_MEMORY = 60.0
#: Seconds from which on the event loop counts as having waited: to look at the sockets takes 10 to 30 µs.
LEAST_IO_WAIT = 50e-6
