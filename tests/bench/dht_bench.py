"""OpenDHT from PyPI, in the same shape as `bench dht`: values put from one node, fetched from ten. One JSON line for each figure.

dht_bench.py BENCH: runs OpenDHT, then BENCH dht, and gives the ratios.
"""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time

SIZES = (10, 50)
EACH = 10
FETCHERS = 10
FIRST_PORT = 45200
LIMIT_S = 120


def say(name: str, value: float, unit: str) -> None:
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit}), flush=True)


def peer(size: int) -> None:
    """In a process of its own, which ends with it: its threads have no other end."""
    import opendht

    nodes = []
    for number in range(size):
        node = opendht.DhtRunner()
        node.run(port=FIRST_PORT + number)
        if nodes:
            node.bootstrap("127.0.0.1", str(FIRST_PORT))
        nodes.append(node)
    time.sleep(5)
    count = EACH * size
    keys = [opendht.InfoHash.get(f"value {number}") for number in range(count)]
    done = threading.Semaphore(0)
    start = time.monotonic()
    for number, key in enumerate(keys):
        nodes[0].put(key, opendht.Value(b"%016x" % number), lambda ok, nodes: done.release())
    for _ in keys:
        done.acquire(timeout=LIMIT_S)
    say(f"opendht_store_per_s_{size}", count / (time.monotonic() - start), "1/s")
    found = [set() for _ in range(FETCHERS)]
    start = time.monotonic()
    for at in range(FETCHERS):
        for number, key in enumerate(keys):
            def got(value, at=at, number=number):
                found[at].add(number)
                return False
            nodes[at * size // FETCHERS].get(key, got, lambda ok, nodes: done.release())
    for _ in range(FETCHERS * count):
        done.acquire(timeout=LIMIT_S)
    say(f"opendht_fetch_per_s_{size}", FETCHERS * count / (time.monotonic() - start), "1/s")
    say(f"opendht_fetch_missing_{size}", FETCHERS * count - sum(map(len, found)), "")


def main() -> None:
    if sys.argv[1] == "peer":
        peer(int(sys.argv[2]))
        sys.stdout.flush()
        os._exit(0)
    figures = {}
    commands = [[sys.argv[1], "dht"]]
    if importlib.util.find_spec("opendht"):
        commands[:0] = [[sys.executable, __file__, "peer", str(size)] for size in SIZES]
    for command in commands:
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
        print(ran.stdout, end="", flush=True)
        for line in ran.stdout.splitlines():
            figure = json.loads(line)
            figures[figure["name"]] = figure["value"]
    for what in ("store", "fetch"):
        for size in SIZES:
            beside = figures.get(f"opendht_{what}_per_s_{size}")
            if beside:
                say(f"dht_{what}_per_s_{size}_ratio", figures[f"dht_{what}_per_s_{size}"] / beside, "")


main()
