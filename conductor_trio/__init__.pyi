from conductor_trio.client.output import events as events
from conductor_trio.client.published import PublishedSession as PublishedSession
from conductor_trio.client.published import SessionStopped as SessionStopped
from conductor_trio.client.published import publish as publish
from conductor_trio.errors import ConductorError as ConductorError
from conductor_trio.errors import ConfigError as ConfigError

__version__: str
