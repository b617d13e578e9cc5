"""Nets run one at a time for every few cores, and whoever came first is served first."""

from __future__ import annotations

import os
import threading

import pytest

from imgcrypt import CancelledError, progress, threads
from imgcrypt.runtime import turns


@pytest.mark.parametrize(("cores", "most"), [(1, 1), (3, 1), (4, 1), (8, 2), (33, 8)])
def test_so_many_run_at_once(cores: int, most: int) -> None:
    running, seen, lock = [0], [], threading.Lock()
    full = threading.Barrier(most)

    def work(i: int) -> None:
        with threads.limited(cores), turns.turn():
            with lock:
                running[0] += 1
                seen.append(running[0])
            if i < most:
                full.wait(60)
            with lock:
                running[0] -= 1

    first = [threading.Thread(target=work, args=(i,)) for i in range(most)]
    others = [threading.Thread(target=work, args=(most,)) for _ in range(10)]
    for thread in first:
        thread.start()
    for thread in first:
        thread.join()
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    assert max(seen) == most
    assert len(seen) == most + 10


def test_first_come_first_served() -> None:
    order: list[int] = []
    workers = []

    def work(i: int) -> None:
        with threads.limited(1), turns.turn():
            order.append(i)

    with threads.limited(1), turns.turn():
        for i in range(8):
            workers.append(threading.Thread(target=work, args=(i,)))
            workers[-1].start()
            while len(turns._line.waiting) < i + 1:
                threading.Event().wait(0.001)
    for worker in workers:
        worker.join()
    assert order == list(range(8))


def test_who_gives_up_leaves_the_line() -> None:
    event, errors = threading.Event(), []

    def work() -> None:
        try:
            with threads.limited(1), progress.watched(None, event), turns.turn():
                errors.append("had a turn")
        except CancelledError:
            errors.append("gave up")

    with threads.limited(1), turns.turn():
        worker = threading.Thread(target=work)
        worker.start()
        while not turns._line.waiting:
            threading.Event().wait(0.001)
        event.set()
        worker.join(60)
    assert errors == ["gave up"]
    assert not turns._line.waiting
    with threads.limited(1), turns.turn():
        pass


def test_error_in_a_turn_ends_it() -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), threads.limited(1), turns.turn():
            raise ZeroDivisionError
    assert turns._line.running == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_does_not_wait_for_its_parent() -> None:
    with threads.limited(1), turns.turn():
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with turns.turn():
                    status = 7
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
