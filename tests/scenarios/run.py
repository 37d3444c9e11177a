"""Runs what tests/scenarios/README.md says: run.py TABLE LANGUAGE=COMMAND...

Each scenario in each language as a process of its own, then one network with one member of each language. The table between the two
markers in the file TABLE must say what worked; with --write it is written anew. Exit status 1: something failed, or the table is stale.
"""

import queue
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
BEGIN, END = "<!-- scenarios: begin -->\n", "<!-- scenarios: end -->\n"
SCENARIO_S, MEMBER_S = 90, 90
NAMES = {
    "meet": "meet under a rendezvous",
    "message": "messages to a callback",
    "request": "request with several replies",
    "error": "typed errors of the other side",
    "timeout": "deadline",
    "cancel": "cancel",
    "seek": "ask everybody",
    "broadcast": "broadcast",
    "pause": "pause, resume, another network",
    "shutdown": "shut down inside a callback",
    "dht": "store and fetch values; who refuses says why",
    "dht-signed": "signed values: replace, compare and swap, watch, delete",
    "files": "share and get files; a get that was cancelled goes on",
    "bad-input": "bad input has its documented error",
}

# What a language does not have yet; the table says so.
NOT_YET: set[tuple[str, str]] = set()


def scenario(command: list[str], name: str) -> str | None:
    """What went wrong."""
    try:
        done = subprocess.run([*command, name], capture_output=True, text=True, timeout=SCENARIO_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"it did not end within {SCENARIO_S} s"
    return None if done.returncode == 0 else f"exit status {done.returncode}: {done.stderr.strip()[-2000:]}"


class Member:
    """One process of the network, and the lines that it prints."""

    def __init__(self, name: str, command: list[str], rendezvous: str, count: int, address: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*command, "member", rendezvous, name, str(count), address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def until(self, wanted: str, deadline: float) -> str:
        """Reads on until a line that begins so."""
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise RuntimeError(f"{self.name}: no {wanted!r} in time, after {self.lines}") from None
            if line is None:
                raise RuntimeError(f"{self.name}: it ended before {wanted!r}, after {self.lines}")
            self.lines.append(line)
            if line.startswith(wanted):
                return line

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def end(self, deadline: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.until("ended", deadline)
        status = self.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        if status != 0:
            raise RuntimeError(f"{self.name}: exit status {status}")


def accounted(member: Member, names: list[str]) -> bool:
    """Whether it printed each of the others once for each thing."""
    others = [name for name in names if name != member.name]
    wanted = Counter(f"{what} {name}" for what in ("greeting", "whois", "news") for name in others)
    told = Counter(line for line in member.lines if line.split(" ")[0] in ("greeting", "whois", "news"))
    if told - wanted:
        raise RuntimeError(f"{member.name}: too much: {told - wanted}")
    return told == wanted


def network(languages: dict[str, list[str]]) -> None:
    """One member of each language; every message accounted for."""
    rendezvous = f"scenario-network-{time.time_ns()}"
    deadline = time.monotonic() + MEMBER_S
    names = list(languages)
    members: list[Member] = []
    try:
        address = "-"
        for name, command in languages.items():
            member = Member(name, command, rendezvous, len(names), address)
            members.append(member)
            if address == "-":
                address = member.until("listening ", deadline).split(" ", 1)[1]
        for member in members:
            member.until("ready", deadline)
        for member in members:
            member.say("go\n")
        for member in members:
            member.until("done", deadline)
        for member in members:
            while not accounted(member, names):
                member.until("", deadline)
        for member in members:
            member.end(deadline)
        for member in members:
            # Nothing came twice until the end.
            assert accounted(member, names)
    finally:
        for member in members:
            if member.process.poll() is None:
                member.process.kill()
            member.process.wait()


def table(languages: list[str], worked: dict[tuple[str, str], bool], together: bool) -> str:
    rows = ["| | " + " | ".join(languages) + " |", "|---|" + "---|" * len(languages)]
    for name, text in NAMES.items():
        cells = ("not yet" if (language, name) in NOT_YET else "yes" if worked[language, name] else "no" for language in languages)
        rows.append(f"| {text} | " + " | ".join(cells) + " |")
    rows.append("| all of them in one network | " + " | ".join("yes" if together else "no" for _ in languages) + " |")
    return "".join(row + "\n" for row in rows)


def main() -> int:
    args = sys.argv[1:]
    write = "--write" in args
    file, *pairs = [arg for arg in args if arg != "--write"]
    languages = {name: shlex.split(command) for name, command in (pair.split("=", 1) for pair in pairs)}
    listed = re.findall(r"^\| `([a-z-]+)` \|", (HERE / "README.md").read_text(), re.MULTILINE)
    assert listed == list(NAMES), "README.md lists other scenarios than run.py"

    failures = []
    worked = {}
    # Two at a time: each is a little network, and mostly waits.
    with ThreadPoolExecutor(2) as pool:
        tries = {
            (language, name): pool.submit(scenario, command, name)
            for language, command in languages.items()
            for name in NAMES
            if (language, name) not in NOT_YET
        }
        for (language, name), found in tries.items():
            wrong = found.result()
            worked[language, name] = wrong is None
            if wrong is not None:
                failures.append(f"{language}, {name}: {wrong}")
            print(f"{'ok' if wrong is None else 'FAILED':7}{language}: {name}", flush=True)
    together = True
    try:
        network(languages)
    except RuntimeError as wrong:
        together = False
        failures.append(f"network: {wrong}")
    print(f"{'ok' if together else 'FAILED':7}one network of {', '.join(languages)}", flush=True)

    text = Path(file).read_text()
    before, rest = text.split(BEGIN)
    stands, after = rest.split(END)
    made = table(list(languages), worked, together)
    if write:
        Path(file).write_text(before + BEGIN + made + END + after)
    elif made != stands:
        failures.append(f"the table in {file} is not what worked; `scripts/test-scenarios --write` writes\n{made}")
    for failure in failures:
        print(f"scenarios: {failure}", file=sys.stderr)
    return 1 if failures else 0


sys.exit(main())
