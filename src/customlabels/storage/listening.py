"""Bells between server processes that share a PostgreSQL database.

Layer: storage. A commit that notifies topics tells the other processes of them. A hint: a lost connection
loses bells, and whoever relies on a topic looks by itself from time to time.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import URL, Connection, text

log = logging.getLogger(__name__)

CHANNEL = "customlabels"
LOOK_SECONDS = 0.25  # how soon a closed listener ends
AGAIN_SECONDS = 1.0  # how long after a lost connection it tries again


class Listener:
    """Hears the topics that other processes notify, and tells them of ours."""

    def __init__(self, url: URL, ring: Callable[[str], None]) -> None:
        """ring: called with a topic, in the listener's thread; it must not block."""
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._ring = ring
        self._own = uuid.uuid4().hex  # who rings for itself needs no bell from the database
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def tell(self, connection: Connection, topics: Iterable[str]) -> None:
        """Have the others hear of `topics` once the transaction of `connection` is committed."""
        for topic in sorted(topics):
            notify = text("SELECT pg_notify(:channel, :said)")
            connection.execute(notify, {"channel": CHANNEL, "said": f"{self._own} {topic}"})

    def close(self) -> None:
        """Stop listening, and return once the connection is closed."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _listen(self) -> None:
        import psycopg

        while not self._closing.is_set():
            try:
                with psycopg.connect(self._address, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._closing.is_set():
                        for heard in connection.notifies(timeout=LOOK_SECONDS):
                            self._hear(heard)
            except psycopg.OperationalError as error:
                log.warning("the listener lost its connection, and tries again: %s", error)
                self._closing.wait(AGAIN_SECONDS)

    def _hear(self, heard: Any) -> None:
        teller, _, topic = heard.payload.partition(" ")
        if teller != self._own:
            self._ring(topic)
