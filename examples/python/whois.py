"""Asks everybody under a rendezvous who they are: a script, without asyncio.

    python whois.py pineapple [ADDRESS...]
"""

import sys

import psfs
from psfs import sync

if len(sys.argv) < 2:
    sys.exit("usage: whois.py RENDEZVOUS [ADDRESS...]")

try:
    with sync.Satellite(sys.argv[1], bootstrap=sys.argv[2:]) as sat:
        # A satellite takes a moment to find the first other one. Every wait has a limit, and Ctrl-C ends it.
        sat.wait_connected(timeout=20)
        # seek() asks whoever is connected, side by side; replies come as they arrive, several from each if it likes.
        for reply in sat.seek("whois", timeout=5):
            print(reply.peer, reply.content.decode(errors="replace"))
        # The same of one peer is request(): it ends with an error if that peer does not serve it.
        for peer in sat.peers():
            if peer.state == "connected":
                try:
                    print("asked alone:", sat.request(peer.peer_id, "whois", timeout=5).first().content.decode())
                except psfs.NotFound:
                    print(peer.peer_id, "does not say who it is")
except psfs.Error as error:
    sys.exit(f"{error}\n{error.hint}")
