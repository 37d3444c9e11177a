"""filestoraged's clients against libpsfs' server: python3 test_filestoraged.py NODE [TEST...]; NODE is the program of tests/src/bin/node.rs."""

import json
import os
import random
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

from filestoraged import CHUNK, Connection, Documented, Lost, Program, Refused, crystal_base64, sha256, token
from server import PATIENCE, SECRET, Case, content, node


class ProgramForm(Case):
    def test_a_file_goes_up_and_comes_down_by_digest_name_and_tags(self):
        data = content(12_345)
        client = self.program()
        self.assertEqual(client.upload("one", data, ["x", "y"]), {"path": f"/files/{sha256(data)}"})
        for n in range(13):
            client.put(data, n)
        self.assertEqual(client.find(filedigest=sha256(data)), {"name": "one", "size": 12_345, "nb_chunks": 13, "digest": sha256(data), "tags": ["x", "y"]})
        for what in [{"filedigest": sha256(data)}, {"name": "one"}, {"tags": ["y"]}, {"name": "one", "tags": ["x", "y"]}]:
            self.assertEqual(client.download(**what), data, what)
        self.refused(205, client.find, name="one", tags=["z"])
        self.assertEqual(self.server.quota("ada"), [12_345, 0, 0])
        # And after a restart, also over the border of what is read at once.
        large = content(1_050_000, 2)
        client.upload("large", large, ["x"])
        for n in range(0, 1050):
            client.put(large, n)
        self.kept("ada", "large", large, "x")
        self.server.stop()
        self.server.start()
        client = self.program()
        self.assertEqual(client.download(name="large"), large)
        # The one that was added last.
        self.assertEqual(client.find(tags=["x"])["name"], "large")

    def test_chunks_come_in_any_order(self):
        data = content(20_001)
        client = self.program()
        client.upload("f", data)
        order = list(range(21))
        random.Random(3).shuffle(order)
        for n in order:
            client.put(data, n)
        self.assertEqual(client.download(name="f"), data)

    def test_what_is_there_is_told_with_the_first_that_is_missing(self):
        data = content(5_500)
        digest = sha256(data)
        path = f"/files/{digest}"
        client = self.program()
        client.upload("f", data)
        client.put(data, 0)
        client.put(data, 2)
        for n in [0, 2]:
            fields = self.refused(202, client.put, data, n)
            self.assertEqual((fields["filedigest"], fields["next_chunk"]), (digest, 1))
        fields = self.refused(204, client.upload, "f", data)
        self.assertEqual((fields["path"], fields["next_chunk"]), (path, 1))
        client.put(data, 1)
        self.assertEqual(self.refused(204, client.upload, "f", data)["next_chunk"], 3)
        for n in [3, 4, 5]:
            client.put(data, n)
        self.assertEqual(self.refused(206, client.upload, "f", data)["path"], path)
        self.assertEqual(self.refused(206, client.put, data, 5)["path"], path)

    def test_every_error_has_its_number(self):
        data = content(2_500)
        digest = sha256(data)
        stranger = Program(self.server.path)
        self.addCleanup(stranger.close)
        for bad in [token("another", "ada"), token(SECRET, "ada", algorithm="none"), token(SECRET, ""), token(SECRET, "ada", exp=5), "x.y.z", ""]:
            self.refused(201, stranger.ask, 0, token=bad)
        self.refused(201, stranger.upload, "f", data)
        self.refused(201, stranger.put, data, 0)
        self.refused(201, stranger.find, name="f")
        self.refused(201, stranger.get, digest, 0)
        ada, bob = self.program(), self.program(self.bob)
        self.assertEqual(self.refused(205, ada.put, data, 0)["filedigest"], digest)
        self.assertEqual(self.refused(205, ada.find, filedigest=digest)["filedigest"], digest)
        self.assertEqual(self.refused(205, ada.get, digest, 0)["filedigest"], digest)
        self.refused(205, ada.find, name="f")
        self.assertEqual(self.refused(207, ada.upload, "f", data, size=10_000_001, nb_chunks=10_001)["limit"], 10_000_000)
        ada.upload("f", data)
        # What is under way is another's, and so it is when it is there.
        self.assertEqual(self.refused(203, bob.put, data, 0)["filedigest"], digest)
        for n in range(3):
            ada.put(data, n)
        self.assertEqual(self.refused(203, bob.put, data, 0)["filedigest"], digest)
        self.assertEqual(self.refused(203, bob.find, filedigest=digest)["filedigest"], digest)
        self.assertEqual(self.refused(203, bob.get, digest, 0)["filedigest"], digest)
        self.refused(205, bob.find, name="f")
        self.refused(205, bob.find, tags=["f"])
        # Who has it himself shows it chunk by chunk, and has it then, too.
        bob.upload("mine", data)
        for n in range(3):
            bob.put(data, n)
        self.assertEqual(bob.download(filedigest=digest), data)
        self.assertEqual(ada.find(filedigest=digest)["name"], "f")
        wrong = content(2_500, 2)
        ada.upload("g", wrong)
        for fields in [
            {"chunk": {"n": 0, "on": 2, "digest": "0" * 64}},
            {"chunk": {"n": 0, "on": 2, "digest": "short"}},
            {"chunk": {"n": 3, "on": 2, "digest": sha256(crystal_base64(wrong[:1000]).encode())}},
            {"chunk": {"n": 0, "on": 7, "digest": sha256(crystal_base64(wrong[:1000]).encode())}},
            {"chunk": {"n": 2, "on": 2, "digest": sha256(crystal_base64(wrong[:1000]).encode())}},
            {"chunk": {"n": -1, "on": 2, "digest": ""}},
            {"data": "not base64", "chunk": {"n": 0, "on": 2, "digest": sha256(b"not base64")}},
        ]:
            self.refused(200, ada.put, wrong, 0, **fields)
        self.refused(200, ada.get, digest, 3)
        self.refused(200, ada.upload, "h", data, nb_chunks=7)
        self.refused(200, ada.upload, "h", wrong, size=2_400)
        self.refused(200, ada.upload, "", content(5))
        self.refused(200, ada.ask, 77)
        self.refused(200, ada.ask, 30)
        self.assertEqual(self.refused(204, ada.upload, "g", wrong)["next_chunk"], 0)

    def test_a_file_that_is_not_what_was_announced_is_not_kept(self):
        data = content(2_000)
        client = self.program()
        promised = "ab" * 32
        client.upload("f", data, digest=promised)
        first, second = Program.chunk(data, 0), Program.chunk(data, 1)
        client.ask(40, **{**first, "filedigest": promised})
        fields = self.refused(200, client.ask, 40, **{**second, "filedigest": promised})
        self.assertIn("another digest", fields["reason"])
        self.assertEqual(self.server.files("ada"), {})
        self.assertEqual(self.server.quota("ada"), [0, 0, 0])
        client.upload("f", data)

    def test_an_empty_file(self):
        client = self.program()
        client.upload("empty", b"")
        self.assertEqual(client.download(name="empty"), b"")
        self.refused(206, client.upload, "empty", b"")

    def test_an_id_comes_back(self):
        with Connection(self.server.path) as raw:
            for own in [7, "seven"]:
                raw.send(0, {"mid": "m", "id": own, "token": self.ada})
                self.assertEqual(raw.receive(), (5, {"mid": "m", "id": own}))
                raw.send(30, {"mid": "n", "id": own, "name": "x"})
                number, fields = raw.receive()
                self.assertEqual((number, fields["mid"], fields["id"]), (205, "n", own))

    def test_two_connections_bring_one_file(self):
        data = content(60_000)
        connections = [self.program() for _ in range(4)]
        connections[0].upload("f", data)
        there = []

        def work(client, seed):
            order = list(range(60))
            random.Random(seed).shuffle(order)
            for n in order:
                try:
                    client.put(data, n)
                    there.append(n)
                except Refused as refused:
                    assert refused.number in (202, 206), refused

        threads = [threading.Thread(target=work, args=(client, seed)) for seed, client in enumerate(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Each was taken once.
        self.assertEqual(sorted(there), list(range(60)))
        self.assertEqual(connections[0].download(name="f"), data)


class DocumentedForm(Case):
    def test_files_come_one_after_another(self):
        files = [("one", content(2_500)), ("empty", b""), ("two", content(1_700, 2))]
        stream = b"".join(data for _, data in files)
        client = self.documented()
        answer = client.authenticate(self.ada, str(uuid.uuid4()), files, ["t"])
        self.assertEqual(answer, {"received": 0, "files": [0, 0, 0]})
        for at in range(0, len(stream), CHUNK):
            # As base64, or as numbers.
            client.transfer(stream[at : at + CHUNK], as_numbers=at % 2000 == 0)
        for name, data in files:
            self.kept("ada", name, data, "t")
        # The other form gives them, too.
        program = self.program()
        for name, data in files:
            self.assertEqual(program.download(name=name, tags=["t"]), data)
        self.assertEqual(self.server.quota("ada"), [4_200, 0, 0])

    def test_a_message_that_comes_again_is_answered_again_and_stored_once(self):
        data = content(3_000)
        fid = str(uuid.uuid4())
        client = self.documented()
        client.authenticate(self.ada, fid, [("f", data)])
        names = [str(uuid.uuid4()) for _ in range(3)]
        client.transfer(data[:1000], names[0])
        client.transfer(data[:1000], names[0])
        client.transfer(data[1000:2000], names[1])
        # Over another connection, after a kill, and all of them.
        self.server.kill()
        self.server.start()
        client = self.documented()
        answer = client.authenticate(self.ada, fid, [("f", data)])
        self.assertEqual(answer, {"received": 2_000, "files": [2_000]})
        client.transfer(data[1000:2000], names[1])
        client.transfer(data[:1000], names[0])
        client.transfer(data[2000:], names[2])
        self.kept("ada", "f", data)
        client.transfer(data[2000:], names[2])
        self.server.kill()
        self.server.start()
        client = self.documented()
        answer = client.authenticate(self.ada, fid, [("f", data)])
        self.assertEqual(answer, {"received": 3_000, "files": [3_000]})
        client.transfer(data[2000:], names[2])
        self.denied("0 are missing", client.transfer, b"more")
        self.kept("ada", "f", data)

    def test_what_cannot_be_is_refused_with_a_reason(self):
        data = content(2_000)
        fid = str(uuid.uuid4())
        client = self.documented()
        self.denied("AUTHENTICATION first", client.transfer, data[:1000])
        self.denied("another secret", client.authenticate, token("another", "ada"), fid, [("f", data)])
        self.denied("0 files", client.authenticate, self.ada, fid, [])
        self.denied("at most 10000000", client.ask, 1, token=self.ada, files=[{"name": "f", "size": 10_000_001}], fid=fid, tags=[])
        self.denied("name", client.authenticate, self.ada, fid, [("", data)])
        client.authenticate(self.ada, fid, [("f", data)])
        self.denied("base64", client.ask, 3, chunk="c", data="?")
        self.denied("cannot be read", client.ask, 3, chunk="c", data=[1, 256])
        self.denied("2000 are missing", client.transfer, content(2_001))
        client.transfer(data[:1000])
        self.denied("other files", client.authenticate, self.ada, fid, [("g", data)])
        # Another's fid is another one.
        other = self.documented()
        self.assertEqual(other.authenticate(self.bob, fid, [("g", data)])["received"], 0)
        client.transfer(data[1000:])
        self.kept("ada", "f", data)
        self.assertEqual(self.server.files("bob"), {})

    def test_the_documents_own_exchange_by_hand(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
            raw.connect(self.server.path)
            for kind, said in [
                (1, '{ "message-id": "UUID-1", "token": "%s", "files": [ { "name": "NAME", "size": 3 }, { "name": "NAME-2", "size": 2 } ], "fid": "UUID", "tags": [ "TAG-NAME" ] }' % self.ada),
                (3, '{ "message-id": "UUID-2", "chunk": "UUID", "data": [ 1, 2, 3 ] }'),
                (3, '{ "message-id": "UUID-3", "chunk": "UUID", "data": [ 4, 5 ] }'),
            ]:
                frame = struct.pack(">IB", len(said) + 1, kind) + said.encode()
                # However it arrives.
                for at in range(0, len(frame), 7):
                    raw.sendall(frame[at : at + 7])
                (length,) = struct.unpack(">I", raw.recv(4))
                answer = raw.recv(length)
                self.assertEqual(answer[0], 2)
                self.assertEqual(json.loads(answer[1:])["response"], "Ok")
        self.kept("ada", "NAME", bytes([1, 2, 3]), "TAG-NAME")
        self.kept("ada", "NAME-2", bytes([4, 5]), "TAG-NAME")


class Breaks(Case):
    def test_acknowledgements_are_lost(self):
        data = content(10_000)
        for n in range(10):
            client = self.program()
            if n == 0:
                client.upload("f", data)
                self.refused(204, client.upload, "f", data)
            # The answer is not waited for.
            client.send(40, {"mid": "m", **Program.chunk(data, n)})
            client.close()
            client = self.program()
            # Whether it was heard or not, it is there once afterwards.
            try:
                client.put(data, n)
            except Refused as refused:
                self.assertEqual(refused.number, 206 if n == 9 else 202)
            client.close()
        self.assertEqual(self.program().download(name="f"), data)
        fid = str(uuid.uuid4())
        for n in range(10):
            part, name = data[n * 1000 : (n + 1) * 1000], str(uuid.uuid4())
            for waits in [False, True]:
                client = self.documented()
                client.authenticate(self.ada, fid, [("g", data)], ["t"])
                if waits:
                    client.transfer(part, name)
                else:
                    client.send(3, {"message-id": name, "chunk": "c", "data": list(part)})
                client.close()
        self.kept("ada", "g", data, "t")

    def test_a_connection_breaks_in_the_middle_of_a_message(self):
        data = content(3_000)
        client = self.program()
        client.upload("f", data)
        client.put(data, 0)
        frame = json.dumps({"mid": "m", **Program.chunk(data, 1)}).encode()
        client.socket.sendall(struct.pack(">IB", len(frame) + 1, 40) + frame[:500])
        client.close()
        client = self.program()
        self.assertEqual(self.refused(204, client.upload, "f", data)["next_chunk"], 1)
        client.put(data, 1)
        client.put(data, 2)
        self.assertEqual(client.download(name="f"), data)

    def test_kill_9_in_the_middle_loses_nothing_that_was_acknowledged(self):
        dice = random.Random(5)
        data = content(60_000)
        fid = str(uuid.uuid4())
        files = [("g", data[:30_500]), ("h", data[30_500:])]
        acknowledged, received = set(), 0
        client = self.program()
        client.upload("f", data)
        order = list(range(60))
        dice.shuffle(order)
        for kill in range(8):
            timer = threading.Timer(dice.uniform(0.005, 0.12), self.server.process.kill)
            timer.start()
            try:
                client, stream = self.program(), self.documented()
                there = stream.authenticate(self.ada, fid, files)["received"]
                self.assertGreaterEqual(there, received)
                received = there
                while len(acknowledged) < 60 or received < len(data):
                    for n in order:
                        if n in acknowledged:
                            continue
                        try:
                            client.put(data, n)
                        except Refused as refused:
                            self.assertIn(refused.number, (202, 206))
                        acknowledged.add(n)
                        break
                    if received < len(data):
                        part = data[received : received + CHUNK]
                        stream.transfer(part)
                        received += len(part)
            except (Lost, ConnectionRefusedError):
                pass
            timer.join()
            self.server.kill()
            self.server.start()
            client = self.program()
            missing = [n for n in range(60) if n not in acknowledged]
            fields = None
            try:
                client.upload("f", data)
                self.fail("it was announced")
            except Refused as refused:
                fields = (refused.number, refused.fields.get("next_chunk"))
            if fields[0] == 204:
                # Nothing that was acknowledged is missing; one more may be there.
                self.assertNotIn(fields[1], acknowledged)
                self.assertTrue(missing)
            else:
                self.assertEqual(fields[0], 206)
        for n in range(60):
            try:
                client.put(data, n)
            except Refused as refused:
                self.assertIn(refused.number, (202, 206))
        stream = self.documented()
        there = stream.authenticate(self.ada, fid, files)["received"]
        self.assertGreaterEqual(there, received)
        for at in range(there, len(data), CHUNK):
            stream.transfer(data[at : at + CHUNK])
        self.assertEqual(client.download(filedigest=sha256(data)), data)
        for name, part in files:
            self.kept("ada", name, part)

    def test_a_killed_servers_socket_is_replaced_and_a_live_one_is_not(self):
        mode = os.stat(self.server.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        with tempfile.TemporaryDirectory() as other:
            arguments = [node(), "files", other, self.server.path, SECRET]
            second = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
            self.assertEqual(second.returncode, 1)
            self.assertIn("another program serves on this socket", second.stdout)
        self.program()
        self.server.kill()
        self.assertTrue(os.path.exists(self.server.path))
        self.server.start()
        self.program()
        self.server.stop()
        self.assertFalse(os.path.exists(self.server.path))
        self.server.start()


class Frames(Case):
    def test_what_is_no_frame_ends_the_connection_with_a_reason(self):
        for head in [struct.pack(">I", 99_993), struct.pack(">I", 0), b"GET / HTTP/1.1\r\n\r\n"]:
            with Connection(self.server.path) as raw:
                raw.socket.sendall(head)
                number, fields = raw.receive()
                self.assertEqual(number, 200)
                self.assertTrue(fields["reason"])
                self.assertTrue(raw.ends())

    def test_what_is_no_message_is_answered_and_the_connection_goes_on(self):
        with Connection(self.server.path) as raw:
            for body in [b"\x00", b"\x00{", b"\x00[]", b"\xff{}", b"\x14" + b"[" * 5000, b"\x00" + b"\xff" * 100, b"\x00" + b" " * 99_991]:
                raw.socket.sendall(struct.pack(">I", len(body)) + body)
                number, fields = raw.receive()
                self.assertEqual((number, fields["mid"]), (200, ""))
            raw.send(3, [])
            self.assertEqual(raw.receive()[1]["response"], "Error")
            raw.send(0, {"mid": "m", "token": self.ada})
            self.assertEqual(raw.receive(), (5, {"mid": "m"}))

    def test_requests_in_one_go_are_answered_in_their_order(self):
        data = content(5_000)
        client = self.program()
        client.upload("f", data)
        frames = b""
        for n in range(5):
            body = json.dumps({"mid": str(n), **Program.chunk(data, n)}).encode()
            frames += struct.pack(">IB", len(body) + 1, 40) + body
        client.socket.sendall(frames)
        for n in range(5):
            number, fields = client.receive()
            self.assertEqual((number, fields["mid"], fields["n"]), (40, str(n), n))

    def test_connections_have_a_limit(self):
        connections = [Connection(self.server.path) for _ in range(64)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.send(0, {"mid": "m", "token": self.ada})
            self.assertEqual(connection.receive()[0], 5)
        with Connection(self.server.path) as late:
            number, fields = late.receive()
            self.assertEqual(number, 200)
            self.assertIn("many clients", fields["reason"])
            self.assertTrue(late.ends())
        connections[0].close()
        # The server hears of it in a moment.
        for _ in range(PATIENCE * 20):
            try:
                self.program()
                return
            except (Lost, AssertionError):
                time.sleep(0.05)
        self.fail("a place that became free is not given")


class Quota(Case):
    options = {"quota": 10_000, "largest": 8_000}

    def test_room_is_kept_from_the_announcement_on(self):
        client = self.program()
        data = content(6_000)
        self.assertEqual(self.refused(207, client.upload, "f", content(8_001))["limit"], 8_000)
        client.upload("f", data)
        self.assertEqual(self.server.quota("ada"), [0, 6_000, 1])
        self.assertIn("quota", self.refused(200, client.upload, "g", content(4_001, 2))["reason"])
        stream = self.documented()
        files = [("h", content(2_000)), ("i", content(2_001))]
        self.denied("quota", stream.authenticate, self.ada, "fid", files)
        # All of a batch or nothing.
        self.assertEqual(self.server.quota("ada"), [0, 6_000, 1])
        stream.authenticate(self.ada, "fid", [("h", content(2_000)), ("i", content(2_000, 2))])
        self.assertEqual(self.server.quota("ada"), [0, 10_000, 3])
        for n in range(6):
            client.put(data, n)
        stream.transfer(content(2_000))
        self.assertEqual(self.server.quota("ada"), [8_000, 2_000, 1])
        # Another has his own.
        self.program(self.bob).upload("g", content(8_000, 3))


class Standstill(Case):
    options = {"lifetime_ms": 1_000}

    def test_what_stands_still_is_given_up_and_what_goes_on_is_not(self):
        data, slow = content(3_000), content(600_000, 2)
        with self.program() as client:
            client.upload("f", data)
            client.put(data, 0)
        going = self.program()
        going.upload("slow", slow)
        stream = self.documented()
        stream.authenticate(self.ada, "fid", [("g", data)])
        stream.close()
        uploads = os.path.join(self.server.folder, "data", "files", "uploads")

        def under_way():
            names = sorted(name for name in os.listdir(uploads) if name != "satellite.lock")
            return [name.split("-")[0] for name in names], self.server.quota("ada")[2]

        self.assertEqual(len(under_way()[0]), 3)
        chunks = iter(range(600))
        # Only what goes on is left.
        while under_way() != ([sha256(slow)], 1):
            going.put(slow, next(chunks))
            time.sleep(0.1)
        for n in chunks:
            going.put(slow, n)
        self.assertEqual(going.download(name="slow"), slow)
        self.refused(205, going.put, data, 1)
        # It begins anew.
        going.upload("f", data)
        self.assertEqual(self.documented().authenticate(self.ada, "fid", [("g", data)])["received"], 0)


class Faulty(Case):
    options = {"faulty": 0.3}

    def again(self, work):
        """Until an answer comes."""
        lost = 0
        while True:
            try:
                return work(), lost
            except (Lost, ConnectionResetError, BrokenPipeError):
                lost += 1
                self.assertLess(lost, 200)

    def test_clients_that_go_on_bring_their_files(self):
        data = content(40_000)
        faults = 0

        def put(n):
            def work():
                with Program(self.server.path, self.ada) as client:
                    try:
                        client.put(data, n) if n >= 0 else client.upload("f", data)
                    except Refused as refused:
                        self.assertIn(refused.number, (202, 204, 206))

            return work

        for n in range(-1, 40):
            faults += self.again(put(n))[1]
        fid = str(uuid.uuid4())

        def transfer(part, name):
            def work():
                with Documented(self.server.path) as client:
                    client.authenticate(self.ada, fid, [("g", data)], ["t"])
                    client.transfer(part, name)

            return work

        for at in range(0, len(data), CHUNK):
            faults += self.again(transfer(data[at : at + CHUNK], str(uuid.uuid4())))[1]
        # Two requests for each piece, of which three of ten fail: one of two.
        self.assertGreater(faults, 30)
        self.kept("ada", "g", data, "t")

        def get(n):
            def work():
                with Program(self.server.path, self.ada) as client:
                    return client.get(sha256(data), n)[0]

            return work

        self.assertEqual(b"".join(self.again(get(n))[0] for n in range(40)), data)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
