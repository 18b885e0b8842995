"""A mail server for the tests: it keeps what it is given, and refuses or hangs up when it is told to."""

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from typing import Any


class PostOffice(socketserver.ThreadingTCPServer):
    """`mails` that it took; `refuse`: the answer to RCPT; `drop`: takes a mail and dies before it says so."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Clerk)
        self.mails: list[EmailMessage] = []
        self.refuse, self.drop = "", False
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Clerk(socketserver.StreamRequestHandler):
    server: PostOffice

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.say("220 post.example")
        while line := self.rfile.readline().decode().strip():
            match line.split()[0].upper():
                case "RCPT" if self.server.refuse:
                    self.say(self.server.refuse)
                case "DATA":
                    self.say("354 go on")
                    if not self.take():
                        return
                case "QUIT":
                    self.say("221 bye")
                    return
                case _other:
                    self.say("250 fine")

    def take(self) -> bool:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        parsed: Any = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.mails.append(parsed)
        if self.server.drop:
            return False
        self.say("250 taken")
        return True
