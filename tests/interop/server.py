"""The server that the tests of filestoraged's clients talk to, and what they have in common."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import unittest

from filestoraged import Denied, Documented, Program, Refused, token

SECRET = "a secret of all"
PATIENCE = 60


def node():
    """The program of tests/src/bin/node.rs, as the command line names it."""
    return sys.argv[1]


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


class Server:
    """The program in a process of its own, which can be killed and started again."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.path = os.path.join(folder, "run", "filestorage")
        self.options = [f"{name}={value}" for name, value in options.items()]
        self.start()

    def start(self):
        arguments = [node(), "files", os.path.join(self.folder, "data"), self.path, SECRET, *self.options]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line == "SERVES\n", line

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def files(self, owner):
        self.ask(f"FILES {owner}")
        found = {}
        for line in iter(self.process.stdout.readline, "DONE\n"):
            _, name, size, tags, path = line.rstrip("\n").split(" ", 4)
            found[name] = (int(size), tags, path)
        return found

    def quota(self, owner):
        self.ask(f"QUOTA {owner}")
        return [int(number) for number in self.process.stdout.readline().split()[1:]]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(PATIENCE) == 0
            self.process.stdout.close()


class Case(unittest.TestCase):
    options = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = Server(folder.name, **self.options)
        self.addCleanup(self.server.stop)
        self.ada = token(SECRET, "ada")
        self.bob = token(SECRET, "bob", uid=1001)

    def program(self, login_token=None):
        connection = Program(self.server.path, login_token or self.ada)
        self.addCleanup(connection.close)
        return connection

    def documented(self):
        connection = Documented(self.server.path)
        self.addCleanup(connection.close)
        return connection

    def refused(self, number, call, *arguments, **fields):
        with self.assertRaises(Refused) as refused:
            call(*arguments, **fields)
        self.assertEqual(refused.exception.number, number, refused.exception)
        return refused.exception.fields

    def denied(self, reason, call, *arguments, **fields):
        with self.assertRaises(Denied) as denied:
            call(*arguments, **fields)
        self.assertIn(reason, str(denied.exception))

    def kept(self, owner, name, data, tags=""):
        """It is there for who looks by the library's own ways."""
        size, has, path = self.server.files(owner)[name]
        self.assertEqual((size, has), (len(data), f"[{tags}]"))
        with open(path, "rb") as file:
            self.assertEqual(file.read(), data)
