"""Files for asyncio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._common import DAY, OPS, QUOTA, Path, by, callable_handler, listed
from ._loop import Following
from ._psfs import FileInfo, Operation, Progress, Quota, Received, Shared, Ticket
from ._psfs import Files as Native

if TYPE_CHECKING:
    from ._aio import Satellite


class Transfer(Following[Progress, Received]):
    """A file or folder on its way: `async for progress in transfer` tells how far it is, `await transfer` gives what came. Either raises what
    goes wrong.

    It goes on by itself. Cancelling a task that waits for it or its progress cancels it, as `cancel()` and dropping it do. What came is
    kept: the same call goes on from there.
    """


class Files:
    """The files of a satellite: `sat.files`.

    ::

        shared = await sat.files.share("holiday.mp4")
        print(sat.files.ticket(shared.root))

        # Elsewhere, with what was printed. Whatever stops it, the same call goes on from there.
        transfer = sat.files.get(ticket, "holiday.mp4")
        async for progress in transfer:
            print(progress.bytes, "of", progress.size, "from", progress.sources)
        received = await transfer

    Roots, the ids of files, are 64 hexadecimal digits: BLAKE3, as `b3sum` computes it. Owners, tags and names have 1 to 255 bytes without control
    characters; the owner who is meant if none is named is this satellite itself, by its peer id. All calls raise Closed unless the
    satellite runs, and BadInput for arguments.
    """

    def __init__(self, satellite: Satellite) -> None:
        self._satellite = satellite

    @property
    def _native(self) -> Native:
        return self._satellite._native.files()

    async def _done(self, call: Callable[[Native], Operation]) -> Any:
        loop = self._satellite._running()
        return await loop.run(call(self._native))

    # Sharing and getting.

    async def share(
        self,
        path: Path,
        *,
        only_with_ticket: bool = False,
        owner: str | None = None,
        tags: Sequence[str] = (),
        sha256: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Shared:
        """Shares a file, or a folder with all in it, where it lies, until `remove`: it is hashed once and not copied. What is changed while it is
        shared is not given any more. With a `data_dir` it is shared again after a restart, unless it was changed meanwhile.

        Everybody of the network who knows its root may get it, or, `only_with_ticket`, who has a ticket. Up to 64 `tags` are what it is found
        by, and so is its SHA-256 if that is to be computed, too. `progress` is called with the bytes that were hashed so far. Gives a
        Shared: `.root`, `.size`, `.path`, `.is_folder`. Raises Refused (CONFLICT) when it is written to meanwhile."""
        loop = self._satellite._running()
        told = None if progress is None else callable_handler(progress)
        native = self._native.share(loop.run, path, only_with_ticket, owner, listed("tags", tags), sha256)
        sharing: Following[int, Shared] = Following(loop, native)
        try:
            if told is not None:
                async for hashed in sharing:
                    told(hashed)
            return await sharing
        finally:
            sharing.cancel()

    def shared(self) -> list[Shared]:
        """All that is given to others at the moment, whosever it is, in the order of the roots. What is somebody's, with tags, says `find`."""
        return self._native.shared()

    def here(self, root: str) -> Shared | None:
        """What is here under this root, whosever it is, if it can be given to others."""
        return self._native.here(root)

    async def read(self, root: str, offset: int = 0) -> bytes:
        """Bytes of a file that is here, whosever it is, checked as those that are sent to others: from `offset` to the end of its MiB or of the
        file. None at its end. Raises NotFound when it is not here, or a folder, and Refused (CONFLICT) when it is not what it was any more."""
        result: bytes = await self._done(lambda files: files.read(root, offset))
        return result

    def ticket(
        self, root: str, *, lifetime: float | None = None, bytes: int | None = None, holder: str | None = None
    ) -> Ticket:
        """A ticket for what this satellite shares; `str(ticket)` can be pasted.

        Of what is shared `only_with_ticket` it holds for `lifetime` seconds (30 days if nothing is said), for so many `bytes` in all, by whomever they are
        got, and for one peer if `holder` names it. Raises NotFound when it is not shared, and BadInput for limits of what everybody may get."""
        return self._native.ticket(root, lifetime, bytes, holder)

    def get(
        self,
        wanted: Ticket | str,
        destination: Path,
        *,
        folder: bool = False,
        sources: Sequence[str] = (),
        addresses: Sequence[str] = (),
        token: str | None = None,
        patience: float | None = 60.0,
        durable: bool = True,
    ) -> Transfer:
        """Gets a file or folder to `destination`: in pieces, from all who have it, each checked before it is written. If it was begun before, also by
        another process or from others, it goes on from there. It has its name once it is whole.

        `wanted` is a ticket, or a root, of a folder if `folder` says so. `sources` are peers who have it, as far as is known, and `addresses`
        where they are; more are found through the network. `token` is the right to it, where a ticket has none. `patience` is how long nobody may be
        there who has it; not `durable` leaves it to the system when it is on the disk. Gives a Received: `.root`, `.size`, `.path`, `.is_folder`.

        Raises PeerUnreachable (NO_PEERS) when nobody has it, Refused when who has it does not give it (CONFLICT: another file is at the
        destination; BUSY: something else is getting one there), and Error (IO) when the disk is full."""
        loop = self._satellite._running()
        native = self._native.get(
            loop.run,
            wanted,
            destination,
            folder,
            listed("sources", sources),
            listed("addresses", addresses),
            token,
            patience,
            durable,
        )
        return Transfer(loop, native)

    # What is here, and whose.

    async def find(
        self,
        *,
        tag: str | None = None,
        name: str | None = None,
        root: str | None = None,
        sha256: str | None = None,
        owner: str | None = None,
        after: str | None = None,
        most: int = 100,
    ) -> list[FileInfo]:
        """What is here of an owner: by tag, name, root or SHA-256 (64 hexadecimal digits), or all of it, in the order of the roots.

        At most 1,000 come at once; `after` is the last root of the page before, and nothing comes at the end alone. A FileInfo has `.root`, `.size`,
        `.is_folder`, `.name`, `.tags`, `.sha256`, `.added`, and `.path` while others can get it from here."""
        wish = by(tag, name, root, sha256)
        result: list[FileInfo] = await self._done(lambda files: files.find(wish, owner, after, most))
        return result

    async def tags(self, owner: str | None = None, *, after: str | None = None, most: int = 1000) -> list[str]:
        """The tags of an owner that follow `after`, in the order of their bytes."""
        result: list[str] = await self._done(lambda files: files.tags(owner, after, most))
        return result

    async def tag(self, root: str, tag: str, owner: str | None = None) -> None:
        """Gives a file of an owner a tag, up to 64 a file; one that it has already is no error. Raises NotFound when there is no such file."""
        await self._done(lambda files: files.tag(root, tag, owner))

    async def untag(self, root: str, tag: str, owner: str | None = None) -> bool:
        """Takes a tag away. Whether the file had it."""
        result: bool = await self._done(lambda files: files.untag(root, tag, owner))
        return result

    async def remove(self, root: str, owner: str | None = None) -> bool:
        """A file is no more an owner's. What has no owner left is not shared any more; a copy that was kept for the owner is removed from the
        disk, a file that is shared where it lies stays. Whether it was the owner's."""
        result: bool = await self._done(lambda files: files.remove(root, owner))
        return result

    # For others.

    async def keep(
        self,
        *,
        quota: int | None = QUOTA,
        largest: int | None = None,
        folder: Path | None = None,
        lifetime: float = DAY,
        faulty: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Keeps files for others from now on: for whoever has a `token`. To be called after each start; called again, it changes what holds
        for what comes then.

        `quota` is how many bytes each owner may keep that has no limit of its own (`set_quota`): 1 GiB if nothing is said, None for no limit. `largest`
        is the largest file that is taken. They lie in `folder`, or in the `data_dir`. An upload that stands still is given up after `lifetime`.
        For tests of clients, `faulty` lets a part of what is asked (0 to 1) fail on purpose, the same one with the same `seed`."""
        await self._done(lambda files: files.keep(quota, largest, folder, lifetime, faulty, seed))

    def token(
        self,
        owner: str,
        *,
        ops: Sequence[str] = OPS,
        root: str | None = None,
        bytes: int | None = None,
        lifetime: float = DAY,
        holder: str | None = None,
    ) -> str:
        """A token for what is kept here: who has it may "read", "write", "delete" and "list" files of the owner, or what of that is named, with one
        file or all, for so many `bytes` up and down together, and as one peer if `holder` names it. It is a JWT (RS256) by this satellite's key, which
        holds here and nowhere else, and cannot be taken back before its end."""
        return self._native.token(owner, listed("ops", ops), root, bytes, lifetime, holder)

    async def set_quota(self, owner: str, limit: int | None) -> None:
        """Gives an owner a limit of its own, in bytes, or takes it away (None): then that of `keep` holds. What there is stays, also when it is more."""
        await self._done(lambda files: files.set_quota(owner, limit))

    async def quota(self, owner: str) -> Quota:
        """What an owner may keep here, and has: `.limit`, `.used`, `.reserved`, `.files`, `.uploads`."""
        result: Quota = await self._done(lambda files: files.quota(owner))
        return result

    async def quotas(self, *, after: str | None = None, most: int = 1000) -> list[Quota]:
        """The same of all owners that follow `after`, in the order of their names (`.owner`)."""
        result: list[Quota] = await self._done(lambda files: files.quotas(after, most))
        return result

    # At another satellite.

    def put(
        self,
        server: str,
        path: Path,
        token: str,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        addresses: Sequence[str] = (),
        patience: float | None = 60.0,
    ) -> Transfer:
        """Has a file or folder kept by another satellite, which gets it from here. It goes on by itself when the connection breaks or the server
        is started again; the same call later goes on as well. At its end the file is on the server's disk and belongs to the owner that
        the token (by the server's `token`) names, under `name` and `tags`.

        `addresses` are where the server is, if it was not met yet; `patience` is how long it may be away, or too busy. Raises Refused when the
        token gives no right to it, or the quota no room; BadInput (TOO_LARGE); PeerUnreachable."""
        loop = self._satellite._running()
        native = self._native.put(
            loop.run, server, path, token, name, listed("tags", tags), listed("addresses", addresses), patience
        )
        return Transfer(loop, native)

    async def remote_find(
        self,
        server: str,
        token: str,
        *,
        tag: str | None = None,
        name: str | None = None,
        root: str | None = None,
        sha256: str | None = None,
        after: str | None = None,
        most: int = 100,
    ) -> list[FileInfo]:
        """What another satellite keeps of the owner that a token names. As `find`; raises Refused when the token gives no right to it, and
        PeerUnreachable."""
        wish = by(tag, name, root, sha256)
        result: list[FileInfo] = await self._done(lambda files: files.remote_find(server, token, wish, after, most))
        return result

    async def remote_remove(self, server: str, token: str, root: str) -> bool:
        """Removes a file that another satellite keeps for the owner that a token names. Whether it was there. Raises as `remote_find`."""
        result: bool = await self._done(lambda files: files.remote_remove(server, token, root))
        return result
