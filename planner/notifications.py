"""What happens in a run, told to people who are not at the terminal: by a webhook and by e-mail.

In: the workspace's `notify` settings and events.  Out: requests and letters, sent by one thread of their own; what cannot be sent is noted
and holds nothing up.  An event has a move's id, a step, what happened and one sentence: no page of a site, no password, no output of a host
beyond that sentence.
"""

from __future__ import annotations

import functools
import json
import queue
import smtplib
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["failed", "held", "done", "rolled back"]
"""`failed`: a step failed; `held`: a gate holds a move; `done`: a move went as far as it should; `rolled back`: one was taken back."""
SECONDS = 15.0
"""Of patience with a server; at the end of a run what is still unsent gets twice as much."""
LONGEST = 1000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Webhook(_Strict):
    """A URL that takes a POST of JSON for each event."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+([/?][^\s]*)?$")]
    on: tuple[Kind, ...] = ("failed", "held")


class Mail(_Strict):
    """A mail server that takes letters from us without a password, and who gets them."""

    server: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    sender: Annotated[str, Field(alias="from", pattern=r"^[^\s@<>]+@[^\s@<>]+$")]
    to: Annotated[tuple[Annotated[str, Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$")], ...], Field(min_length=1)]
    starttls: bool = False
    on: tuple[Kind, ...] = ("failed", "held")


class Notify(_Strict):
    """`notify` in planner.yml."""

    webhooks: tuple[Webhook, ...] = ()
    mails: tuple[Mail, ...] = ()


@dataclass(frozen=True)
class Event:
    """One thing that happened; `at` in ISO 8601."""

    kind: Kind
    plan: str
    run: str
    move: str
    text: str
    at: str


def _posted(hook: Webhook, event: Event) -> None:
    body = json.dumps({**asdict(event), "text": event.text[:LONGEST]}, ensure_ascii=False).encode()
    request = urllib.request.Request(hook.url, body, {"Content-Type": "application/json; charset=utf-8"}, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310  (the scheme is checked where the URL is read)
        pass


def letter(mail: Mail, event: Event) -> EmailMessage:
    """The letter of one event; nothing that a host said can become a header."""
    made = EmailMessage()
    made["From"], made["To"] = mail.sender, ", ".join(mail.to)
    made["Subject"] = " ".join(f"planner: {event.move} {event.kind}".split())
    made.set_content(f"{event.move}: {event.kind}\n\n{event.text[:LONGEST]}\n\nplan {event.plan}, run {event.run}, {event.at}\n")
    return made


def _mailed(mail: Mail, event: Event) -> None:
    with smtplib.SMTP(mail.server, mail.port, timeout=SECONDS) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        server.send_message(letter(mail, event))


class Messenger:
    """Sends events while a run goes on."""

    def __init__(self, settings: Notify, note: Callable[[str], None]) -> None:
        self.settings, self.note = settings, note
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def tell(self, event: Event) -> None:
        """Have an event sent to whoever wants its kind; returns at once."""
        places: tuple[Webhook | Mail, ...] = (*self.settings.webhooks, *self.settings.mails)
        if any(event.kind in place.on for place in places):
            self._waiting.put(event)

    @contextmanager
    def working(self) -> Iterator[Messenger]:
        """Send in the background; at the end wait for what is still to be sent, though not for ever."""
        thread = threading.Thread(target=self._send, daemon=True, name="notifications")
        thread.start()
        try:
            yield self
        finally:
            self._waiting.put(None)
            thread.join(2 * SECONDS)
            if thread.is_alive():
                self.note("not everything could be sent to the places in `notify`")

    def _send(self) -> None:
        while (event := self._waiting.get()) is not None:
            for hook in self.settings.webhooks:
                if event.kind in hook.on:
                    self._try(hook.url.partition("?")[0], functools.partial(_posted, hook, event))
            for mail in self.settings.mails:
                if event.kind in mail.on:
                    self._try(", ".join(mail.to), functools.partial(_mailed, mail, event))

    def _try(self, place: str, send: Callable[[], None]) -> None:
        try:
            send()
        except (OSError, ValueError, smtplib.SMTPException) as error:
            self.note(f"{place} could not be told: {error}")
