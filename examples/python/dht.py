"""Keeps values for everybody under a rendezvous, stores one, or fetches one.

    python dht.py pineapple keep                    # a node: shows what it is asked to keep, and where it can be reached
    python dht.py pineapple store "Some value"      # prints the key
    python dht.py pineapple fetch KEY               # prints the value
    python dht.py pineapple fetch KEY /ip4/...      # the same through somebody who is not on the local network

Ctrl-C ends a node; what it keeps is kept by the others, too.
"""

import asyncio
import sys

import psfs


async def keep(sat: psfs.Satellite) -> None:
    for address in sat.addresses():
        print("reach me at", address)

    # Asked before anything is kept here. Without a handler everything is that fits; a str refuses, and is told to who offers it.
    @sat.dht.on_store
    def wanted(offer: psfs.Offer) -> str | None:
        print(offer.peer, "offers", offer.key, f"({offer.size} bytes)", flush=True)
        return "I keep up to a megabyte" if offer.size > 1_000_000 else None

    # For ever, or until Ctrl-C.
    await sat.ended()


async def store(sat: psfs.Satellite, text: str) -> None:
    stored = await sat.dht.store(text)
    print(stored.key)
    # Every node that was asked has answered, with its reason if it does not keep it.
    for answer in stored.answers:
        print(answer.peer, answer.outcome, answer.text, file=sys.stderr)


async def fetch(sat: psfs.Satellite, key: str) -> None:
    # Who fetches need not trust anybody: the content is checked against the key.
    value = await sat.dht.fetch(key)
    sys.stdout.buffer.write(value.content)


async def main(rendezvous: str, action: str, *arguments: str) -> None:
    bootstrap = arguments if action == "keep" else arguments[1:]
    # A node serves others; who comes for one value only does not, and leaves no gap when it goes.
    role = "node" if action == "keep" else "client"
    async with psfs.Satellite(rendezvous, bootstrap=list(bootstrap), dht_role=role) as sat:
        if action == "keep":
            await keep(sat)
            return
        await sat.wait_connected(timeout=20)
        await (store if action == "store" else fetch)(sat, arguments[0])


if sys.argv[2:3] not in (["keep"], ["store"], ["fetch"]) or (sys.argv[2] != "keep" and len(sys.argv) < 4):
    sys.exit("usage: dht.py RENDEZVOUS keep|store TEXT|fetch KEY [ADDRESS...]")
try:
    asyncio.run(main(*sys.argv[1:]))
except psfs.Error as error:
    sys.exit(f"{error}\n{error.hint}")
except KeyboardInterrupt:
    # asyncio has cancelled main(), whose `async with` has shut the satellite down.
    pass
