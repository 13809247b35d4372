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
MAX_NOTICE_TEXT = 1000  # characters of what the operator has clients know, with what the server says besides
MAX_SHARE_LABEL = 60  # characters
MAX_GRANTEE = 200  # bytes of the name of a user or a group to share with: an address, or the URN of a group
MAX_SHARE_TIME = 366 * 86400.0  # seconds: a year
MAX_JSON_DEPTH = 32  # of lists and objects inside one another; our own messages have four
MAX_JSON_DIGITS = 1000  # of a whole number: the time that they take grows with their square
MAX_COUNT = 10**18  # of bytes or connections: an exabyte
MAX_TIME = 5e9  # Unix time, in the year 2128; what is later, or longer, is a mistake
MAX_SAVED_TIME = 1e11  # the same of what a server leaves to another: the year 5138, which can still be written

#: One line of a snapshot, in bytes: all that is left of one session, with its shares (160 KiB at most).
MAX_SNAPSHOT_LINE = 256 * KIB
#: Sessions in a snapshot, of one user and of all: what was within the limits of the server that leaves it goes on,
#: though those of its successor are lower.
MAX_LEFT_SESSIONS = 1_000_000
#: Bytes of what a successor says of itself: what a pipe holds at once.
MAX_REPORT = 64 * KIB
#: The one line of a snapshot of version 1, which held all sessions.
MAX_SNAPSHOT_V1 = 64 * MIB

# What a request may show of tokens: more cookies than a browser keeps for a domain (180 in Chromium), so that
# planted ones cannot crowd out the right one, and few enough that one request is not thousands of guesses.
MAX_TOKENS_SHOWN = 200
#: Characters of what a front proxy calls an address, and is none.
MAX_ADDRESS_TEXT = 64
#: Addresses of which it is known whether they are in some networks: 200 KiB.
MAX_KNOWN_ADDRESSES = 1024
#: Bytes of a configuration file: two hundred times those of a gateway with rules for a hundred users.
MAX_CONFIG_FILE = 4 * MIB
#: Bytes of a file that holds a token, which has to fit a cookie.
MAX_TOKEN_FILE = 4 * KIB
#: Events of a published session that its program has not taken; the oldest are forgotten.
MAX_KEPT_EVENTS = 1000
#: Bytes of a link file, which holds a host name and a token that is quoted.
MAX_LINK_FILE = 16 * KIB
#: Bits that a token needs to be safe from guessing: at a million guesses a second, for ten thousand years.
MIN_TOKEN_BITS = 64
#: Bytes of randomness in a token that we make: 192 bits, 32 letters.
TOKEN_ENTROPY = 24

# Cookies that neighbours plant for the parent domain.
MANY_COOKIES = 100  # no site has as many; Chromium and Firefox keep 150 to 180 for a domain and all below it
MIN_LARGE_COOKIE = 256  # bytes: of a head that is full of what browsers keep of cookies, some are larger
MAX_COOKIE_PATHS = 16  # for which one may be, of those that a request's path is below
MAX_FORGETTING = 48 * KIB  # of a response's head, of which browsers take 256 KiB, and front proxies less

#: For how long a browser that has come by HTTPS comes by nothing else, in seconds: from one term to the next.
TRANSPORT_SECURITY_MAX_AGE = 180 * 86400

# Preflights of pages of allowed origins (Fetch section 3.2).
MAX_PREFLIGHT = 2 * KIB  # bytes of the method and the names of fields that it asks for
PREFLIGHT_MAX_AGE = (
    600  # seconds for which a browser remembers the answer: a changed option is in force in minutes
)

# What the operator says of the house.
MAX_LOGO = 64 * KIB  # bytes: a drawing, or a picture of a few hundred pixels; each visitor loads it once
LOGO_MAX_AGE = 86_400  # seconds that a browser keeps it; another one has another address
MAX_SITE_NAME = 60  # characters: a line on a phone, twice
MAX_HELP_URL = 500  # characters
MAX_LANGUAGES = 20  # ranges of an Accept-Language field that are read; browsers send a handful

# What a client tells of its application.
MAX_APPLICATION_NAME = 40  # characters: a heading on a phone
MAX_COMMAND = 200  # characters of its command, for its owner to know it by
MAX_OUTPUT_LINES = (
    12  # of what it says while it starts: a stack's last frames and the error, or what is being loaded
)
MAX_OUTPUT_LINE = 200  # characters of each
OUTPUT_PAUSE = 1.0  # seconds between two words of it, from the client

# After how many seconds a page that says what is wrong asks again by itself.
STARTING_RELOAD = 2  # most applications take a few
LINK_LOST_RELOAD = 3  # a request is parked for longer, so a browser asks a few times a minute
CROSS_SITE_RELOAD = 1  # the page goes on by itself, now as a page of the application's own host
COOKIES_RELOAD = 1  # the browser has been told to forget what was in the way
GUESS_RELOAD_PAUSE = 1  # more than a program is told: the token shall have its turn by then
BROKEN_RELOAD = 5  # it may need its owner
BROKEN_RETRY = 2  # Retry-After, for programs

MAX_PORT = 65535

# Facts of the kernel.

#: Descriptors in one message (SCM_MAX_FD, unix(7)).
MAX_PASSED_DESCRIPTORS = 253
#: A pipe that anybody may have (pipe(7)); with the usual 64 KiB, splice(2) is hardly faster than copying.
MAX_PIPE_SIZE = 1 * MIB
#: Such pipes at once, of two descriptors each: the kernel allows a user 64 MiB of them (pipe(7)).
MAX_PIPES = 64

#: Groups of one process (NGROUPS_MAX, credentials(7)).
MAX_GROUPS = 65536

#: Links that are followed on one way (path_resolution(7)).
MAX_SYMBOLIC_LINKS = 40

# Streams and listeners, of both programs.

#: Connections that wait for accept(); the kernel cuts it to net.core.somaxconn.
LISTEN_BACKLOG = 1024
#: Connections accepted before other tasks have their turn: with what each of them begins with, about a
#: millisecond's worth.
MAX_ACCEPTS = 16
#: The same where several processes accept from one listener: more would go to one of them.
SHARED_ACCEPTS = 1
#: After a lack of descriptors or memory, for connections to end.
SHORTAGE_PAUSE = 0.1
# TCP peers that vanish without a word: the first probe after a minute of silence, given up after two.
KEEPALIVE_IDLE = 60
KEEPALIVE_INTERVAL = 15
MAX_KEEPALIVE_PROBES = 4
#: What a UNIX socket holds for its peer: five times the usual default, where the system allows as much, so that an
#: upload waits less often. Doubled by the kernel for its own use of it (socket(7)). TCP's grow by themselves.
UNIX_SEND_BUFFER_SIZE = 512 * KIB
#: What is received for a peer that is slow to take it, though its queue may have less room: below it, the steps
#: cost more than the memory is worth.
MIN_ROOM = 4 * KIB
#: Between attempts to connect to a UNIX socket whose backlog is full, of which no event tells; the last repeats.
BACKLOG_PAUSES = (0.005, 0.01, 0.02, 0.04, 0.08)
#: One recv() of what nobody wants.
READ_AWAY_SIZE = 64 * KIB
#: Between two looks whether last words are delivered, of which no event tells; doubled up to the second.
DELIVERY_INTERVAL = 0.01
MAX_DELIVERY_INTERVAL = 0.25
#: What OpenSSL is given to encrypt at once: a record of the greatest size (RFC 8446 section 5.1). Its buffers
#: never shrink, so that one such record is what a connection keeps for either direction.
TLS_PIECE_SIZE = 16 * KIB
#: The same, encrypted (section 5.2).
TLS_RECORD_SIZE = TLS_PIECE_SIZE + 256 + 5
#: What is encrypted for one send(): four records.
TLS_SEND_SIZE = 64 * KIB

# Child processes, of both programs.

#: Between two looks whether a process group still has a member that runs, of which no event tells.
GROUP_POLL_INTERVAL = 0.02
#: After SIGKILL a process goes at once, unless the kernel holds it, in which case nothing helps.
KILL_TIMEOUT = 2.0

# The log, of both programs.

#: Bytes of lines that wait for their reader: about 5,000 of the server's.
MAX_QUEUED_LINES = 1 * MIB
#: Bytes of lines that are written at once: what a pipe takes as a whole (PIPE_BUF, pipe(7)), so that the lines of
#: two servers that share one do not get mixed up.
MAX_LINES_WRITTEN = 4 * KIB
#: For the last of them, at the end of the process.
LAST_LINES_TIMEOUT = 1.0
#: The same of the access log and the audit log: about 25,000 lines, seconds in which a disk stands still.
MAX_QUEUED_LOG = 8 * MIB
#: Bytes of them that are written at once: two servers that share a file add to its end, each call as a whole.
MAX_LOG_WRITTEN = 64 * KIB
#: Between two writes of them, in seconds: at thousands of lines a second, a thread that woke for each would cost
#: more than they do, and people do not notice.
LINES_GATHER_TIME = 0.05
#: Of the name of a field for the journal, in characters: more it does not take.
MAX_JOURNAL_NAME = 64
#: Of a value for the journal, in bytes: with it an entry is below what a datagram may be (net.core.wmem_default).
MAX_JOURNAL_VALUE = 48 * KIB
# Lines of one kind that one account may cause within a minute: as many as an operator may want to read of it.
LOG_RATE_INTERVAL = 60.0
MAX_LOG_LINES = 60
MAX_LOG_ACCOUNTS = 1000  # that are told apart

# The server's operation.

#: Users and networks that the operator blocks: more is a firewall's. All of them are 1 ms to write.
MAX_BLOCKS = 1000
#: Sessions whose client has still to hear that the operator has ended them: as many as there can be at once, by
#: default. All of them are 5 ms to write.
MAX_ENDS = 8192
MAX_ORDER_TEXT = 500  # characters of a reason or an announcement: some sentences, in one line of each client
# The operator's commands.
MAX_ADMIN_LINE = 64 * MIB  # of an answer: one setting of a file of the greatest size, several times
ADMIN_READ_SIZE = 64 * KIB
ADMIN_TIMEOUT = 30.0  # for the next bytes of an answer: a server that hangs, or is stopped
ADMIN_RELOAD_TIMEOUT = 150.0  # the same for what waits for a successor (`upgrade_timeout`), and one before it
ADMIN_RETRY_TIMEOUT = 10.0  # a hand-over's longest step
ADMIN_RETRY_PAUSE = 0.1
TOP_INTERVAL = 2.0  # between two looks, each of which costs 5 us a session
TOP_ONCE_INTERVAL = 1.0  # two looks give a rate
MAX_BLOCK_TIME = 3660 * 86400.0  # seconds: ten years

# The operator's dashboard.
DASHBOARD_TOKEN_ENTROPY = 32  # bytes: 256 bits
DASHBOARD_LINK_TIME = 600.0  # until a link has to be used: from a terminal to a browser
DASHBOARD_TIME = 12 * 3600.0  # for which it lets a browser in: a long working day
MAX_ENTRIES = 100  # links and browsers at once; a centre has a few operators
MAX_DASHBOARDS = 32  # that are open at once: some tabs of each of them
DASHBOARD_PAUSE = 2.0  # between two looks at all sessions, while somebody looks at one
FIRST_PAUSE = 0.5  # between the first two of them
DASHBOARD_PAGE_SIZE = 25  # sessions on a page: a person looks for one, and does not read thousands
MAX_DASHBOARD_USERS = 20  # that are told of: those who use most
MAX_SEARCH = 100  # characters of what is looked for among the sessions
MAX_RUN_SIZE = 256  # sessions that are looked through, or sorted, in one go: 0.2 ms
MAX_RECENT_EVENTS = 200  # of the audit log
MAX_RECENT_TEXT = 200  # characters of what each says

#: A server that ends, having drained, locks its directory once more for as long as it takes to remove it.
MAX_OWNERSHIP_ATTEMPTS = 4
OWNERSHIP_PAUSE = 0.02
#: What is read or written of a hand-over in one step.
HANDOVER_PIECE_SIZE = 64 * KIB
#: Names in a session's directory that are removed at its end at once: half a millisecond. More wait for a thread.
MAX_INLINE_REMOVALS = 32
#: Of a session, for its owner's eyes; the oldest go first.
MAX_SESSION_EVENTS = 40
#: Kinds of failures of the application among them; few go on at once, and the rest is room for other events.
MAX_SESSION_FAILURES = 10
#: Of the path that such a failure is told with, in characters: enough to know it by.
MAX_TOLD_PATH = 200
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
#: Characters of a job's name in PBS, whose older versions take no more.
MAX_JOB_NAME = 15
#: GPUs or processors that a job may ask for: six digits, more than any cluster has.
MAX_JOB_COUNT = 999_999
#: Seconds before a job's end in which the client is asked to end it in order: ten times what that takes.
JOB_END_NOTICE = 60
#: Jobs that are shorter than this are not: Slurm may send that signal a minute too early.
MIN_NOTICED_JOB = 600.0
#: For how long the directory of a job that has ended is kept, with its log.
JOB_RECORD_AGE = 14 * 86400.0
#: Bytes of a job's log that are shown of what was written before somebody looked.
LOG_TAIL_SIZE = 4 * KIB
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
#: How often a head is in memory while it comes in parts, or its request is under way: as it came, as it was read,
#: and as it goes on.
HEAD_COPIES = 3
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
#: Names of request fields of which it is known what they are, and how long one of these may be. Browsers and their
#: scripts have some dozens, of less than 40 bytes; to find out takes half a microsecond, of each field.
MAX_KNOWN_NAMES = 256
MAX_KNOWN_NAME = 64
#: Fields of a response's head or trailers. Each takes a microsecond, in which nobody else is served, and a head
#: could hold 20,000. Apache and HAProxy take 100.
MAX_RESPONSE_FIELDS = 1000
#: Chunks that are looked at in one go, for 20 µs, and four times that with `MAX_EVENTS_AT_ONCE`: one read can
#: bring 10,000 of one byte, and somebody who waits for a turn waits for two such steps.
MAX_CHUNKS_AT_ONCE = 40
#: Heads and pieces of a body that are passed on in one go: a response's interim head, its head, its body, its end.
MAX_EVENTS_AT_ONCE = 4
#: One recv() of a control channel: some 200 lines, which take milliseconds, and seldom is there more than one.
CONTROL_READ_SIZE = 4 * KIB
#: Sessions that are described in one go: 20 µs each, and 200 with a hundred shares.
MAX_DESCRIBED_AT_ONCE = 8
#: Those that are told something, or looked at, in one go, at 10 to 30 µs each: of sessions and visitors there can
#: be thousands.
MAX_TOLD_AT_ONCE = 64
#: Connections that are cancelled, and requests that go on, in one turn of the event loop: each makes a task do
#: something for 50 to 300 µs.
MAX_CANCELLED_AT_ONCE = 8
#: Tasks that read on, or send, in one turn of the event loop, of all together, while several want something: as
#: many as take `PASSING_TIME`, in seconds, by what the last dozens took. A turn costs 50 µs without any.
MIN_PASSING = 1
MAX_PASSING = 8
PASSING_TIME = 0.0004
PASSING_MEMORY = 8
#: The same while nobody else wants anything. A turn costs what a request does: with 8 in each, a session that is
#: busy got a sixth less a second.
MAX_PASSING_ALONE = 32
#: Seconds from as many to the next ones, where many are cancelled, or would all have the same deadline.
TURN_SPACING = 0.004
#: Tasks that begin between two looks of the collector at young objects, of which each leaves some fifty.
YOUNG_TASKS = 100
#: Bytes that a handshake of TLS holds until it is over: thousands of half-open ones took 62 KiB each.
HANDSHAKE_HELD = 60 * KIB
#: One recv() from a session page's WebSocket: forty pings, each of which takes 40 µs to answer.
PAGE_READ_SIZE = 256
#: Seconds from which on a step may have been interrupted: less than the kernel gives the processor to another for.
LONG_STEP = 0.0003
#: Seconds that no turn of the event loop is to take longer than, in which those who have just come wait.
LOOP_DELAY_GOAL = 0.005
#: Turns of the event loop that are counted: those that took longer than so many seconds.
LOOP_DELAY_BOUNDS = (0.001, 0.0025, LOOP_DELAY_GOAL, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
#: For how long the longest is remembered, in seconds; whoever looks once a minute misses none.
LOOP_DELAY_MEMORY = 60.0
#: Seconds from which on the event loop counts as having waited: to look at the sockets takes 10 to 30 µs.
LEAST_IO_WAIT = 50e-6

# The client's terminal.

MAX_KEYS = 64  # read from a terminal at once: what is typed in one go, or pasted by mistake
