"""Greets everybody under a rendezvous, and shows who greets back.

    python greet.py pineapple                       # finds others on the local network
    python greet.py pineapple /ip4/127.0.0.1/...    # and through one of them, wherever it is

Start it twice. Ctrl-C ends it, and the others are told.
"""

import asyncio
import sys

import psfs


async def main(rendezvous: str, *bootstrap: str) -> None:
    async with psfs.Satellite(rendezvous, bootstrap=list(bootstrap)) as sat:
        print("I am", sat.fingerprint)
        for address in sat.addresses():
            print("reach me at", address)

        # A plain function is called in the event loop's turn: quick things only. Contents are bytes, of anybody under the rendezvous.
        @sat.on(psfs.MESSAGE, "greeting")
        def greeted(message: psfs.Message) -> None:
            print(message.peer, "says", message.content.decode(errors="replace"), flush=True)

        # What a handler returns is its answer: bytes, str, or anything JSON can hold. A REQUEST is for us alone, a SEEK for everybody.
        @sat.on(psfs.REQUEST, "whois")
        @sat.on(psfs.SEEK, "whois")
        def whois(message: psfs.Message) -> dict[str, str]:
            return {"id": sat.peer_id, "language": "Python"}

        # Sessions come and go by themselves. The loop ends when the satellite is shut down.
        async for event in sat.peer_events():
            if event.kind == "authenticated":
                try:
                    await sat.send(event.peer, "greeting", "hello from Python")
                except psfs.Error as error:
                    # Gone again already, for example. The hint says what to do.
                    print(error, error.hint, sep="\n", file=sys.stderr)
            elif event.kind == "disconnected":
                print(event.peer, "left:", event.reason, flush=True)


if len(sys.argv) < 2:
    sys.exit("usage: greet.py RENDEZVOUS [ADDRESS...]")
try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    # asyncio has cancelled main(), whose `async with` has shut the satellite down.
    pass
