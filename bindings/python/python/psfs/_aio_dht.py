"""The DHT for asyncio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._common import DAY, Content, Returned, callable_handler
from ._errors import bad_input
from ._loop import Batches, Subscription
from ._psfs import CustomAnswer, DebugLine, Message, Offer, Opened, Operation, RoutingRow, Source, Stored, Trace, Value
from ._psfs import Dht as Native

if TYPE_CHECKING:
    from ._aio import Satellite

#: True or None keeps the value, False or a str refuses it.
Word = bool | str | None
StoreHandler = Callable[[Offer], Word | Awaitable[Word]]
MessageHandler = Callable[[Message], Returned | Awaitable[Returned]]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


class Watch(Batches[Value]):
    """A signed value: what it is now, then each change; one that was deleted is `deleted` and has no content. Closed or dropped, it ends."""


class DebugLines(Batches[DebugLine]):
    """What nodes say of themselves, as it happens. Closed or dropped, it ends."""


class Dht:
    """The DHT of a satellite's network: `sat.dht`.

    ::

        stored = await sat.dht.store("Some value")
        print(stored.key, "at", stored.nodes, "nodes")
        value = await sat.dht.fetch(stored.key)
        assert value.content == b"Some value"

    Keys are 64 hexadecimal digits. `lifetime` is how long nodes keep a value: 1 s to 30 days, a day if nothing is said. `timeout` is how long
    the call may take; None is for ever. All calls raise Closed unless the satellite runs, PeerUnreachable (NO_PEERS) while nobody is
    connected, Timeout, and BadInput for arguments.
    """

    def __init__(self, satellite: Satellite) -> None:
        self._satellite = satellite

    @property
    def _native(self) -> Native:
        return self._satellite._native.dht()

    async def _done(self, call: Callable[[Native], Operation]) -> Any:
        loop = self._satellite._running()
        return await loop.run(call(self._native))

    # Storing.

    async def store(self, data: Content, *, lifetime: float = DAY, timeout: float | None = 30.0) -> Stored:
        """Stores a value under the hash of its content: whoever fetches it can check it.

        Gives a Stored: `.key`, `.nodes` (how many keep it), `.answers` (of each node: `.peer`, `.outcome`, `.reason`, `.text`) and `.proxy` (who
        stored it where this satellite reached too few nodes).
        Raises Refused when no node keeps it, with each one's reason, and BadInput when it is empty or larger than `max_item_size`."""
        result: Stored = await self._done(lambda dht: dht.store(data, lifetime, timeout))
        return result

    async def store_at(self, key: str, data: Content, *, lifetime: float = DAY, timeout: float | None = 30.0) -> Stored:
        """Stores a value under a key of your choice. Nothing proves such a value: the first who stores there has the key for as long as it
        lasts, unless the nodes' applications decide otherwise, and keys that are not spread evenly load a few nodes with all of it.

        Gives and raises what `store` does; Refused (CONFLICT) when another has the key."""
        result: Stored = await self._done(lambda dht: dht.store_at(key, data, lifetime, timeout))
        return result

    async def store_named(
        self, name: str, data: Content, *, lifetime: float = DAY, timeout: float | None = 30.0
    ) -> Stored:
        """Stores a value under a name, with the warning of `store_at`; gives and raises the same."""
        result: Stored = await self._done(lambda dht: dht.store_named(name, data, lifetime, timeout))
        return result

    async def store_signed(
        self,
        data: Content,
        salt: Content = b"",
        *,
        sequence: int | None = None,
        if_sequence: int | None = None,
        sealed_for: str | None = None,
        lifetime: float = DAY,
        timeout: float | None = 30.0,
    ) -> Stored:
        """Stores a value that only this satellite can store and replace, under `psfs.key_of_signed(sat.peer_id, salt)`; a salt has up to
        64 bytes.

        `sequence` is its number, of which the highest wins: by default one more than the highest that is found. `if_sequence` stores only
        where the value to be replaced has this number (0: where there is none). `sealed_for` names the peer that alone can read it
        (`open`). Gives what `store` does, and `.sequence`; raises Refused (CONFLICT) when there is a newer one, or not the one that
        was to be replaced, and NotFound when the public key of `sealed_for` cannot be had."""
        result: Stored = await self._done(
            lambda dht: dht.store_signed(data, salt, sequence, if_sequence, sealed_for, lifetime, timeout)
        )
        return result

    async def store_sealed(
        self, peer: str, data: Content, *, lifetime: float = DAY, timeout: float | None = 30.0
    ) -> Stored:
        """Stores a value that only `peer` can read (`open`), under the hash of what it is sealed into: tell it the key.

        Gives and raises what `store` does; NotFound when there is no session with the peer and it has not published its key."""
        result: Stored = await self._done(lambda dht: dht.store_sealed(peer, data, lifetime, timeout))
        return result

    async def publish_key(self, *, lifetime: float = DAY, timeout: float | None = 30.0) -> Stored:
        """Publishes this satellite's public key, so that others can seal values for it while it is away. As `store_signed`."""
        result: Stored = await self._done(lambda dht: dht.publish_key(lifetime, timeout))
        return result

    async def delete(self, key: str, *, timeout: float | None = 30.0) -> Stored:
        """Deletes what this satellite stored. Of a signed value its number stays, so that no older one comes back. What somebody else has
        stored as well the nodes keep.

        Gives a Stored that tells how many nodes did; raises NotFound when there is none, and Refused when no node did."""
        result: Stored = await self._done(lambda dht: dht.delete(key, timeout))
        return result

    # Fetching.

    async def fetch(self, key: str, *, timeout: float | None = 30.0) -> Value:
        """Fetches a value: `.content`, `.view`, `.key`, `.kind` ("plain", "raw", "signed"), `.publisher`, `.sequence`, `.expires`.

        Raises NotFound (also a KeyError) when none of the nodes near the key has it."""
        result: Value = await self._done(lambda dht: dht.fetch(key, timeout))
        return result

    async def fetch_named(self, name: str, *, timeout: float | None = 30.0) -> Value:
        """Fetches what was stored under a name. Nothing proves it: what most nodes near its key have is taken. As `fetch`."""
        result: Value = await self._done(lambda dht: dht.fetch_named(name, timeout))
        return result

    async def fetch_signed(self, publisher: str, salt: Content = b"", *, timeout: float | None = 30.0) -> Value:
        """Fetches the newest value that a peer has signed under a salt. As `fetch`."""
        result: Value = await self._done(lambda dht: dht.fetch_signed(publisher, salt, timeout))
        return result

    async def open(self, value: Value) -> Opened:
        """Opens a value that was sealed for this satellite: `.content`, `.view`, `.sender`, and whether that is `.proved`.

        Raises BadInput when it is not sealed, for somebody else, or not as it was sealed."""
        result: Opened = await self._done(lambda dht: dht.open(value))
        return result

    def watch(self, key: str) -> Watch:
        """Tells of a signed value (`psfs.key_of_signed`) whenever it changes: `async for value in sat.dht.watch(key)`."""
        loop = self._satellite._running()
        return Watch(loop, self._native.watch(loop.run, key))

    # What this satellite keeps for others.

    @overload
    def on_store(self, *, concurrency: int = 1) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on_store(self, handler: StoreHandler, *, concurrency: int = 1) -> Subscription: ...
    def on_store(
        self, handler: StoreHandler | None = None, *, concurrency: int = 1
    ) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        """Asks `handler` about every value that somebody would like this satellite to keep, itself among them; without one, decorates it::

            @sat.dht.on_store
            def wanted(offer):
                return offer.size < 1000 or "too large for me"

        An offer has `.key`, `.kind`, `.size`, `.publisher`, `.peer`, `.expires` and `.content`, which is None while a larger value is only
        announced: what is kept then is asked about once more with its content. True or None keeps it, False or a str refuses it; the
        str is told to who offers it. What the handler raises is logged and refuses, too. After 5 s without a word the value is refused
        as by a busy node. A plain function runs in the loop's turn; an `async def` as in `Satellite.on`, and one that waits for a
        store of its own, which asks it again, needs `concurrency`. One handler at a time: a later one takes its place. Without any, everything is kept that fits."""
        return self._on("on_store", Native.offers, handler, concurrency)

    @property
    def stored_keys(self) -> int:
        """How many values this satellite keeps for the network."""
        return self._native.stored_keys()

    @property
    def storage_size(self) -> int:
        """How many bytes they have."""
        return self._native.storage_size()

    def keys(self, after: str | None = None, most: int = 1000) -> list[str]:
        """The keys of up to `most` values kept here, in order, from the one after `after` on."""
        return self._native.keys(after, most)

    @property
    def role(self) -> str:
        """What this satellite is to the others: "node", "mirror" (keeps all it hears of) or "client" (keeps and tells nothing)."""
        return self._native.role

    def set_role(self, role: str) -> None:
        """Makes it something else to the others, at once. What it keeps stays until it expires."""
        self._native.set_role(role)

    def permit_proxy(self, permitted: bool = True) -> None:
        """Whether others may have this satellite store and fetch for them, within a budget for each. Default: no. Who has the role "client"
        asks those it has a session with where it cannot reach the nodes itself."""
        self._native.permit_proxy(permitted)

    async def joined(self, *, timeout: float | None = 30.0) -> None:
        """Waits until a node has answered this satellite, so that there is somebody to store at and to fetch from: at once, where one has."""
        await self._done(lambda dht: dht.joined(timeout))

    # Commands of your own, and a word to all.

    async def custom(self, to: str | None, data: Content = b"", *, timeout: float | None = 30.0) -> list[CustomAnswer]:
        """Sends a command to one peer (its id), to the nodes nearest to a key (64 digits), or to those nearest to this one (None), and
        waits until each has answered or failed.

        Gives a list, one for each node: `.peer`, `.answers` (a list of bytes), and `.error`, which says why there are none."""
        result: list[CustomAnswer] = await self._done(lambda dht: dht.custom(to, data, timeout))
        return result

    @overload
    def on_custom(self, *, concurrency: int = 1) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on_custom(self, handler: MessageHandler, *, concurrency: int = 1) -> Subscription: ...
    def on_custom(
        self, handler: MessageHandler | None = None, *, concurrency: int = 1
    ) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        """Calls `handler` with every command that comes; it answers as that of a REQUEST does (`Satellite.on`)."""
        return self._on("on_custom", Native.commands, handler, concurrency)

    async def broadcast(self, data: Content) -> None:
        """Tells all nodes of the network: at most 60 KiB, each gets it once."""
        await self._done(lambda dht: dht.broadcast(data))

    @overload
    def on_broadcast(self, *, concurrency: int = 1) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on_broadcast(self, handler: MessageHandler, *, concurrency: int = 1) -> Subscription: ...
    def on_broadcast(
        self, handler: MessageHandler | None = None, *, concurrency: int = 1
    ) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        """Calls `handler` with what others tell all nodes."""
        return self._on("on_broadcast", Native.broadcasts, handler, concurrency)

    # What a person follows.

    def routing_table(self) -> list[RoutingRow]:
        """Whom this satellite knows: `.bucket`, `.peer`, `.state` ("proved", "met", "failing", "spare"), `.unseen` (seconds)."""
        return self._native.routing_table()

    async def trace(self, key: str, *, timeout: float | None = 30.0) -> Trace:
        """Walks to a key on all ways and tells each question and its answer: `.hops` (`.peer`, `.depth`, `.path`, `.common_bits`, `.took`,
        `.outcome`), `.holders`, `.closest`."""
        result: Trace = await self._done(lambda dht: dht.trace(key, timeout))
        return result

    def permit_debug(self, permitted: bool = True) -> None:
        """Whether others may follow what this node does: whom it meets, and which keys it keeps, refuses and is asked for. Default: no."""
        self._native.permit_debug(permitted)

    def debug(self) -> DebugLines:
        """Follows all nodes that permit it, later ones, too: `async for said in sat.dht.debug(): print(said.peer, said.line)`."""
        loop = self._satellite._running()
        return DebugLines(loop, self._native.debug(loop.run))

    def _on(
        self,
        name: str,
        source: Callable[[Native, Callable[[Operation], Awaitable[Any]]], Source],
        handler: Callable[[Any], Any] | None,
        concurrency: int,
    ) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        if concurrency < 1:
            raise bad_input(f"concurrency is {concurrency}: give 1 or more")
        if handler is None:

            def decorate(function: AnyHandler) -> AnyHandler:
                self._on(name, source, function, concurrency)
                return function

            return decorate
        callable_handler(handler)
        satellite = self._satellite
        return satellite._register(Subscription(name, source(self._native, satellite._run), handler, concurrency))
