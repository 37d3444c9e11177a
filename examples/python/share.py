"""Shares a file or folder, or gets one by its ticket.

    python share.py holiday.mp4                 # prints a ticket, and gives the file to whoever has that, until Ctrl-C
    python share.py psfs1... copy.mp4           # elsewhere: gets it

Whatever stops the second one, the same command goes on from there.
"""

import asyncio
import sys

import psfs


async def share(path: str) -> None:
    # The name of this network, and where to look, are in the ticket.
    async with psfs.Satellite("share.py") as sat:
        # It is hashed once and stays where it is. Only who has a ticket gets it, not everybody of the network.
        shared = await sat.files.share(path, only_with_ticket=True)
        print(sat.files.ticket(shared.root, lifetime=24 * 3600), flush=True)
        # For ever, or until Ctrl-C.
        await sat.ended()


async def get(text: str, destination: str) -> None:
    ticket = psfs.Ticket(text)
    # Who only gets something keeps nothing for others.
    async with psfs.Satellite(ticket.rendezvous, dht_role="client") as sat:
        transfer = sat.files.get(ticket, destination)
        # Each piece is checked against the ticket before it is written: who has it need not be trusted.
        async for progress in transfer:
            left = "" if progress.time_left is None else f", {progress.time_left:.0f} s left"
            print(f"\r{progress.bytes} of {progress.size} bytes{left}", end=" ", file=sys.stderr)
        received = await transfer
        print(file=sys.stderr)
        print(received.path)


if not 2 <= len(sys.argv) <= 3:
    sys.exit("usage: share.py PATH, or share.py TICKET DESTINATION")
try:
    asyncio.run(share(sys.argv[1]) if len(sys.argv) == 2 else get(sys.argv[1], sys.argv[2]))
except psfs.Error as error:
    sys.exit(f"{error}\n{error.hint}")
except KeyboardInterrupt:
    # asyncio has cancelled what it ran; what came of a file is kept.
    pass
