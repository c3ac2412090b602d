"""Bytes as people read them, and bytes that come in several threads."""

import threading

import pytest

from skinlesion.progress import Reporter, Transfer, bytes_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**12, "5.0 TB"),
        (7 * 10**15, "7000.0 TB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_bytes_are_told_in_powers_of_ten(count, text):
    assert bytes_text(count) == text


def test_no_byte_is_lost_between_threads():
    transfer = Transfer()
    threads = [
        threading.Thread(target=lambda: [transfer.advance(1) for _ in range(1000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert transfer.done == 4000


def test_without_a_terminal_there_is_one_line_with_the_rate_and_the_last_note(capsys):
    with Reporter().transferring("images", 2500) as transfer:
        transfer.advance(3000)
        transfer.advance(-500)
        transfer.tell("1 of 2")
        transfer.tell("2 of 2")

    assert capsys.readouterr().err.startswith("images: 2.5 kB in 0.0 s, ")
    assert transfer.summary("images").endswith("/s  2 of 2")
