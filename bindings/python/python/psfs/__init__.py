"""Programs find each other under a shared name, connect without a server, and talk.

`psfs.Satellite` is for asyncio, `psfs.sync.Satellite` for scripts without it; both do the same. `psfs.testing` is a pytest plugin that gives
tests a real little network. See the README for a taste of each.
"""

from . import sync
from ._aio import Messages, PeerEvents, Replies, Satellite, Subscription
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
from ._psfs import Message, Peer, PeerEvent, Reply, Responder, __version__, generate_key, inspect_key

__all__ = [
    "BROADCAST",
    "MESSAGE",
    "REQUEST",
    "SEEK",
    "BadInput",
    "Closed",
    "Error",
    "Fail",
    "Message",
    "Messages",
    "NotFound",
    "Peer",
    "PeerEvent",
    "PeerEvents",
    "PeerUnreachable",
    "Refused",
    "RemoteError",
    "Replies",
    "Reply",
    "Responder",
    "Satellite",
    "Subscription",
    "Timeout",
    "__version__",
    "generate_key",
    "inspect_key",
    "sync",
]
