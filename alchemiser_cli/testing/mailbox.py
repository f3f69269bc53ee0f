"""A real SMTP server on loopback that keeps what it takes, and fails on command."""

import asyncio
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

__all__ = ["Mailbox", "running_mailbox"]

Mood = Literal["takes", "refuses", "greylists", "hangs", "drops"]
"""``refuses`` answers 550, ``greylists`` 451, ``drops`` takes a message and hangs up unsaid."""


class Mailbox:
    """What a mail server took, and its ``mood``; both may change and be read at any time.

    With ``user`` and ``password`` it takes mail from nobody else. ``attempts`` counts the messages
    that were brought.
    """

    def __init__(self, user: str = "", password: str = "") -> None:
        """Prepare; ``running_mailbox`` starts it."""
        self.port = 0
        self.mood: Mood = "takes"
        self.messages: list[EmailMessage] = []
        self.attempts = 0
        self.user = user
        self.password = password
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """The Apprise URL of a channel that ends here, with its credentials."""
        who = f"{self.user}:{self.password}@" if self.user else ""
        return (
            f"mailto://{who}127.0.0.1:{self.port}?smtp=127.0.0.1&mode=insecure"
            "&from=desk@example.org&to=operator@example.org"
        )

    def authenticate(
        self,
        _server: "SMTP",
        _session: "Session",
        _envelope: "Envelope",
        _mechanism: str,
        data: object,
    ) -> "AuthResult":
        """Check who brings mail (a callback of aiosmtpd)."""
        from aiosmtpd.smtp import AuthResult, LoginPassword

        known = LoginPassword(self.user.encode(), self.password.encode())
        return AuthResult(success=data == known, handled=data == known)

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: "SMTP", _session: "Session", envelope: "Envelope"
    ) -> str:
        """Take or refuse a message (a callback of aiosmtpd)."""
        self.attempts += 1
        if self.mood == "refuses":
            return "550 5.7.1 not wanted here"
        if self.mood == "greylists":
            return "451 4.7.1 come again later"
        if self.mood == "hangs":
            await asyncio.to_thread(self.released.wait)
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        self.messages.append(message_from_bytes(raw, policy=policy.default))
        if self.mood == "drops" and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return "250 taken"


@contextmanager
def running_mailbox(user: str = "", password: str = "") -> Iterator[Mailbox]:
    """Run a mail server on a free port of loopback, in a thread; needs aiosmtpd."""
    from aiosmtpd.smtp import SMTP

    for name in ("mail.log", "mail.debug"):
        logging.getLogger(name).addHandler(logging.NullHandler())  # or it warns on stderr
    box = Mailbox(user, password)
    loop = asyncio.new_event_loop()

    def speaking() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on loopback a password needs no TLS
            return SMTP(
                box,
                hostname="localhost",
                authenticator=box.authenticate,
                auth_required=bool(user),
                auth_require_tls=False,
                loop=loop,
            )

    server = loop.run_until_complete(loop.create_server(speaking, "127.0.0.1", 0))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box
    finally:
        box.released.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_ended(loop))
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """Break off what still talks, and let it end."""
    talking = asyncio.all_tasks() - {asyncio.current_task()}
    for one in talking:
        one.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    await loop.shutdown_default_executor()
