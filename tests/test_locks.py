"""The lock lets one thread in at a time, and a forked child finds it open."""

from __future__ import annotations

import subprocess
import sys
import threading

from imgcrypt.locks import ForkSafeLock


def test_one_thread_at_a_time_is_let_in() -> None:
    lock, inside, most = ForkSafeLock(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with lock, lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                threading.Event().wait(0.00001)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_forked_child_finds_open_what_another_thread_held() -> None:
    program = """
import os, signal, threading
from imgcrypt.locks import ForkSafeLock

lock, held, done = ForkSafeLock(), threading.Event(), threading.Event()

def hold():
    with lock:
        held.set()
        done.wait()

threading.Thread(target=hold).start()
held.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    with lock:
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
done.set()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("7\n", "")
