"""Requests of the thin client, and answers that come oddly."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from jaccli.service.address import ServiceAddress
from jaccli.service.client import http


def test_a_refusal_before_the_body_is_read_is_seen(tmp_path: Path) -> None:
    """A service may answer 413 and close while the client is still sending."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    listening.listen()

    def refuse() -> None:
        connection, _ = listening.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        connection.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    address = ServiceAddress(str(tmp_path / "s"))
    found = http.post(address, "/", {}, b"0" * 5_000_000, timeout=10)
    thread.join()
    listening.close()
    assert found.status == 413


def test_a_service_that_trickles_has_no_more_time(tmp_path: Path) -> None:
    """Each piece comes within the time, the answer does not."""
    ours = socket.socket(socket.AF_UNIX)
    ours.bind(str(tmp_path / "s"))
    ours.listen()
    given_up = threading.Event()

    def trickle() -> None:
        connection, _ = ours.accept()
        with suppress(OSError):
            for _ in range(600):
                connection.sendall(b"H")
                if given_up.wait(0.05):
                    break
        connection.close()

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(http.Broken, match=r"^no answer within 0\.4 seconds$"):
        http.post(ServiceAddress(str(tmp_path / "s")), "/", {}, b"", timeout=0.4)
    given_up.set()
    thread.join()
    ours.close()
