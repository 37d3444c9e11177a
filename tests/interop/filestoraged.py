"""A client of filestoraged's wire, in both its forms. Written from the description of that wire, not from libpsfs' code.

A frame is a length (4 bytes, big endian, which counts the byte behind it), a byte that says what it is, and JSON. One request is under way at
a time on a connection.
"""

import base64
import hashlib
import hmac
import json
import socket
import struct
import uuid

CHUNK = 1000


class Lost(Exception):
    """The connection ended before the answer came."""


class Refused(Exception):
    """An error of the program's form: its number and its fields."""

    def __init__(self, number, fields):
        super().__init__(f"{number}: {fields}")
        self.number = number
        self.fields = fields


class Denied(Exception):
    """An Error of the documented form."""


def token(secret, login, uid=1000, algorithm="HS256", **more):
    """A JWT without an end, as the login service of the original makes it."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    header = part(json.dumps({"typ": "JWT", "alg": algorithm}).encode())
    claims = part(json.dumps({"login": login, "uid": uid, **more}).encode())
    signed = header + b"." + claims
    return (signed + b"." + part(hmac.digest(secret.encode(), signed, "sha256"))).decode()


def crystal_base64(data):
    """With a line's end after every 60 letters and at the end."""
    letters = base64.b64encode(data).decode()
    return "".join(letters[at : at + 60] + "\n" for at in range(0, len(letters), 60))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Connection:
    """Frames over one connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, kind, message):
        data = json.dumps(message).encode()
        try:
            self.socket.sendall(struct.pack(">IB", len(data) + 1, kind) + data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Lost from error

    def read(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError as error:
                raise Lost from error
            if not more:
                raise Lost
            data += more
        return data

    def receive(self):
        (length,) = struct.unpack(">I", self.read(4))
        body = self.read(length)
        return body[0], json.loads(body[1:])

    def ends(self):
        """Whether the other side has closed it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Program(Connection):
    """The form that the program speaks."""

    ANSWERS = {0: 5, 20: 20, 30: 30, 40: 40, 41: 41}

    def __init__(self, path, login_token=None):
        super().__init__(path)
        try:
            if login_token is not None:
                self.ask(0, token=login_token)
        except BaseException:
            self.close()
            raise

    def ask(self, kind, **fields):
        """The answer's fields; raises Refused."""
        mid = str(uuid.uuid4())
        self.send(kind, {"mid": mid, **fields})
        number, answer = self.receive()
        assert answer.pop("mid") == mid, answer
        if number >= 200:
            assert answer["reason"], answer
            raise Refused(number, answer)
        assert number == self.ANSWERS[kind], (kind, number)
        return answer

    def upload(self, name, content, tags=(), **other):
        count = -(-len(content) // CHUNK)
        file = {"name": name, "size": len(content), "nb_chunks": count, "digest": sha256(content), "tags": list(tags)}
        return self.ask(20, file={**file, **other})

    @staticmethod
    def chunk(content, n):
        """The fields of PutChunk."""
        data = crystal_base64(content[n * CHUNK : (n + 1) * CHUNK])
        last = -(-len(content) // CHUNK) - 1
        return {"filedigest": sha256(content), "chunk": {"n": n, "on": last, "digest": sha256(data.encode())}, "data": data}

    def put(self, content, n, **other):
        answer = self.ask(40, **{**self.chunk(content, n), **other})
        assert answer == {"file_digest": sha256(content), "n": n}, answer

    def find(self, **what):
        return self.ask(30, **what)["file_info"]

    def get(self, digest, n):
        """A chunk, and how many there are."""
        answer = self.ask(41, filedigest=digest, n=n)
        text, chunk = answer["data"], answer["chunk"]
        assert (answer["file_digest"], chunk["n"]) == (digest, n), answer
        assert chunk["digest"] == sha256(text.encode()), answer
        assert text == crystal_base64(base64.b64decode(text)), text
        return base64.b64decode(text), chunk["on"]

    def download(self, **what):
        info = self.find(**what)
        content = b""
        for n in range(info["nb_chunks"]):
            data, count = self.get(info["digest"], n)
            assert count == info["nb_chunks"], (count, info)
            content += data
        assert len(content) == info["size"] and sha256(content) == info["digest"], info
        return content


class Documented(Connection):
    """The form that the document describes."""

    def ask(self, kind, message_id=None, **fields):
        """The answer's fields; raises Denied."""
        message_id = message_id or str(uuid.uuid4())
        self.send(kind, {"message-id": message_id, **fields})
        return self.answered(message_id)

    def answered(self, message_id):
        number, answer = self.receive()
        assert number == 2 and answer.pop("message-id") == message_id, (number, answer)
        if answer.pop("response") != "Ok":
            raise Denied(answer["reason"])
        return answer

    def authenticate(self, login_token, fid, files, tags=()):
        named = [{"name": name, "size": len(content)} for name, content in files]
        return self.ask(1, token=login_token, files=named, fid=fid, tags=list(tags))

    def transfer(self, data, message_id=None, as_numbers=False):
        data = list(data) if as_numbers else base64.b64encode(data).decode()
        return self.ask(3, message_id, chunk=str(uuid.uuid4()), data=data)
