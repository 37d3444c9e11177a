"""A file over plain TCP, and nothing else: what a line can do.

`give HOST PORT FILE` gives it to whoever connects, until it is ended; `take HOST PORT FILE` takes it.
"""

import socket
import sys

CHUNK = 1 << 20


def give(address, path):
    with socket.create_server(address) as server:
        while True:
            taker, _ = server.accept()
            with taker, open(path, "rb") as file:
                taker.sendfile(file)


def take(address, path):
    with socket.create_connection(address) as giver, open(path, "wb") as file:
        while chunk := giver.recv(CHUNK):
            file.write(chunk)


if __name__ == "__main__":
    action, host, port, path = sys.argv[1:]
    {"give": give, "take": take}[action]((host, int(port)), path)
