"""Programs find each other under a shared name, connect without a server, and talk.

`psfs.Satellite` is for asyncio, `psfs.sync.Satellite` for scripts without it; both do the same. `psfs.testing` is a pytest plugin that gives
tests a real little network. See the README for a taste of each.
"""

from . import sync
from ._aio import Satellite
from ._aio_dht import DebugLines, Dht, Watch
from ._common import BROADCAST, MESSAGE, REQUEST, SEEK
from ._errors import (
    BadInput,
    Closed,
    Error,
    Fail,
    NotFound,
    PeerUnreachable,
    Refused,
    RemoteError,
    Timeout,
)
from ._loop import Messages, PeerEvents, Replies, Subscription
from ._psfs import (
    CustomAnswer,
    DebugLine,
    Hop,
    Message,
    Offer,
    Opened,
    Peer,
    PeerEvent,
    Reply,
    Responder,
    RoutingRow,
    StoreAnswer,
    Stored,
    Trace,
    Value,
    __version__,
    generate_key,
    inspect_key,
    key_of_content,
    key_of_name,
    key_of_signed,
)

__all__ = [
    "BROADCAST",
    "MESSAGE",
    "REQUEST",
    "SEEK",
    "BadInput",
    "Closed",
    "CustomAnswer",
    "DebugLine",
    "DebugLines",
    "Dht",
    "Error",
    "Fail",
    "Hop",
    "Message",
    "Messages",
    "NotFound",
    "Offer",
    "Opened",
    "Peer",
    "PeerEvent",
    "PeerEvents",
    "PeerUnreachable",
    "Refused",
    "RemoteError",
    "Replies",
    "Reply",
    "Responder",
    "RoutingRow",
    "Satellite",
    "StoreAnswer",
    "Stored",
    "Subscription",
    "Timeout",
    "Trace",
    "Value",
    "Watch",
    "__version__",
    "generate_key",
    "inspect_key",
    "key_of_content",
    "key_of_name",
    "key_of_signed",
    "sync",
]
