"""The cipher under threads, forks and spawns, with one core and many, and without compilation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = """
import hashlib, sys
import numpy as np
from imgcrypt import cipher

KEY = bytes(range(32))
SIZES = [0, 1, 100, 5000, 65_537, 600_011]

def check(seed=0):
    digest = hashlib.sha256()
    for size in SIZES:
        data = np.random.default_rng([seed, size]).integers(0, 256, size, np.uint8)
        enciphered = cipher.encipher(data, KEY)
        assert (cipher.decipher(enciphered, KEY) == data).all(), (seed, size)
        digest.update(enciphered)
    return digest.hexdigest()
"""


def run(program: str, **environment: str) -> str:
    """The program's standard output; it fails on any output on standard error, and after five minutes."""
    done = subprocess.run(
        # Python warns of forks beside threads, which are what some of these programs are about.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CHECK + program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture(scope="module")
def expected() -> str:
    return run("print(check())")


def test_thirty_two_threads_at_once(expected: str) -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(32) as pool:
    results = list(pool.map(check, range(128)))
with ThreadPoolExecutor(32) as pool:
    assert list(pool.map(check, range(128))) == results
print(results[0])
"""
    assert run(program) == expected


def test_threads_that_load_the_kernels_at_once(expected: str) -> None:
    program = """
import threading
results = []
start = threading.Barrier(16)
def work():
    start.wait()
    results.append(check())
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(results) == 16
print(*set(results))
"""
    assert run(program) == expected


FORKED = """
import os
def fork_and_check():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, check().encode())
        os._exit(0)
    os.close(writing)
    result = os.read(reading, 100).decode()
    assert os.waitpid(child, 0)[1] == 0
    return result
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("layer", ["", "workqueue"])
def test_forked_workers_before_and_after_the_parent_used_the_kernels(expected: str, layer: str) -> None:
    program = """
results = {fork_and_check()}
results.add(check())
results |= {fork_and_check() for _ in range(3)}
results.add(check())
print(*results)
"""
    environment = {"NUMBA_THREADING_LAYER": layer} if layer else {}
    assert run(FORKED + program, **environment) == expected


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_process_pools(expected: str, method: str, tmp_path: Path) -> None:
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    (tmp_path / "work.py").write_text(CHECK)
    program = f"""
sys.path.insert(0, {str(tmp_path)!r})
import multiprocessing, work
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
        print(*set(pool.map(work.check, [0, 0, 0, 0])))
"""
    assert run(program) == expected


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_every_threading_layer_of_numba_under_threads(expected: str, layer: str) -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
import numba
try:
    numba.set_num_threads(1)
except ValueError:
    print("missing")
    sys.exit()
first = check()
with ThreadPoolExecutor(8) as pool:
    results = set(pool.map(check, [0] * 32))
from imgcrypt.cipher import kernels
print(first, *results, numba.threading_layer(), len(kernels.scramble.signatures))
"""
    # TBB's wheel keeps its library where the loader does not look.
    library = f"{sys.prefix}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}"
    printed = run(program, NUMBA_THREADING_LAYER=layer, IMGCRYPT_THREADS="2", LD_LIBRARY_PATH=library)
    if printed == "missing":
        pytest.skip(f"Numba's layer {layer} is not installed")
    assert printed == f"{expected} {expected} {layer} 1"


def test_without_a_choice_numbas_threads_are_not_started(expected: str) -> None:
    program = """
import numba
from imgcrypt.cipher import kernels
try:
    layer = numba.threading_layer()
except ValueError:
    layer = "none"
print(check(), layer, len(kernels.scramble.signatures))
"""
    assert run(program, IMGCRYPT_THREADS="2") == f"{expected} none 0"


def test_a_threading_layer_that_is_not_there_is_no_failure(expected: str) -> None:
    program = """
import logging, numba
from numba.np.ufunc import parallel
def launch(): raise ValueError("No threading layer could be loaded.")
parallel._launch_threads = launch
logging.basicConfig(format="%(message)s", stream=sys.stdout)
print(check())
"""
    printed = run(program, NUMBA_THREADING_LAYER="tbb", IMGCRYPT_THREADS="2")
    assert printed.splitlines() == [
        "Numba's threads do not start, imgcrypt's own do the work: No threading layer could be loaded.",
        expected,
    ]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_same_bytes_with_any_number_of_threads(expected: str, threads: int) -> None:
    assert run("print(check())", IMGCRYPT_THREADS=str(threads)) == expected


BUSY = """
import os

def busy():
    'How many threads of this process compute while the kernels run: by their share of the processor time.'
    def ticks(task):
        fields = open(f"/proc/self/task/{task}/stat").read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    data = np.zeros(1 << 22, np.uint8)
    cipher.encipher(data, KEY)
    before = {task: ticks(task) for task in os.listdir("/proc/self/task")}
    while (spent := sum(used := [ticks(task) - before.get(task, 0) for task in os.listdir("/proc/self/task")])) < 40:
        cipher.encipher(data, KEY)
    return sum(ticks > spent / 20 for ticks in used)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are watched by Linux' /proc")


@needs_proc
@pytest.mark.parametrize("variable", ["IMGCRYPT_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"])
def test_no_more_threads_compute_than_are_allowed(expected: str, variable: str) -> None:
    assert run(BUSY + "print(check(), busy())", **{variable: "1"}) == f"{expected} 1"


@needs_proc
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a core")
def test_one_core_is_enough_and_the_program_ends(expected: str) -> None:
    program = """
import os, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
results = []
thread = threading.Thread(target=lambda: results.append(check()))
thread.start()
thread.join()
print(*{check(), *results}, busy())
"""
    assert run(BUSY + program) == f"{expected} 1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("where", ["main", "thread"])
def test_fifty_children_forked_beside_threads_that_encipher(expected: str, where: str) -> None:
    program = f"""
import threading, time
work = threading.Thread(target=check)
{"check()" if where == "main" else "work.start(); work.join()"}
stop = False
def loop(seed):
    while not stop: check(seed)
loops = [threading.Thread(target=loop, args=[seed]) for seed in range(2)]
for each in loops: each.start()
results = {{fork_and_check() for _ in range(50)}}
stop = True
for each in loops: each.join()
print(*results)
"""
    assert run(FORKED + program) == expected


@needs_proc
def test_joblib_workers(expected: str, tmp_path: Path) -> None:
    pytest.importorskip("joblib", reason="this test needs joblib: pip install imgcrypt[test]")
    (tmp_path / "work.py").write_text(CHECK + BUSY + "def check_busy(_): return check(), busy()\n")
    program = f"""
sys.path.insert(0, {str(tmp_path)!r})
import work
from joblib import Parallel, delayed, parallel_config
if __name__ == "__main__":
    threaded = Parallel(8, backend="threading")(delayed(work.check)() for _ in range(16))
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        results = Parallel()(delayed(work.check_busy)(i) for i in range(2))
    print(*set(threaded), *set(results))
"""
    assert run(program) == f"{expected} ('{expected}', 1)"


def test_same_bytes_on_the_plainest_cpu(expected: str, tmp_path: Path) -> None:
    assert run("print(check())", NUMBA_CPU_NAME="generic", NUMBA_CACHE_DIR=str(tmp_path)) == expected


def test_same_bytes_without_compilation() -> None:
    short = "SIZES[:] = [0, 1, 100, 4200]\nprint(check())"
    # NumPy's scalars warn of the wrap-around that the cipher wants.
    assert run(short, NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="ignore::RuntimeWarning") == run(short)
