"""Who may use how much of a window that all generations share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from hypothesis import given, settings
from hypothesis import strategies as st

from model_server.engines import never_cancelled
from model_server.engines.shared_window import SharedWindow


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 4)), max_size=30), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_nobody_is_left_out_and_no_more_is_given_than_there_is(
    wishes: list[tuple[int, int]], people: int
) -> None:
    shared = SharedWindow(100, 4)
    lock = threading.Lock()
    used = [0, 0]
    most = [0, 0]

    def take(wish: tuple[int, int]) -> bool:
        with shared.room(*wish, never_cancelled) as has_room:
            for sign in (+1, -1):
                with lock:
                    for place in (0, 1):
                        used[place] += sign * wish[place]
                        most[place] = max(most[place], used[place])
        return has_room

    with ThreadPoolExecutor(people) as pool:
        assert all(pool.map(take, wishes))
    assert used == [0, 0]
    assert most[0] <= 100 and most[1] <= 4


def test_a_large_wish_is_not_overtaken_for_ever() -> None:
    shared = SharedWindow(100, 8)
    order: list[str] = []
    large_waits = Event()

    def is_asked_while_waiting() -> bool:
        large_waits.set()
        return False

    def large() -> None:
        with shared.room(100, 1, is_asked_while_waiting):
            order.append("large")

    def small() -> None:
        with shared.room(1, 1, never_cancelled):
            order.append("small")

    with ThreadPoolExecutor(2) as pool, shared.room(50, 1, never_cancelled):
        pool.submit(large)
        large_waits.wait()
        pool.submit(small)
    assert order == ["large", "small"]


def test_who_gives_up_leaves_the_queue() -> None:
    shared = SharedWindow(10, 1)
    gone = Event()
    with ThreadPoolExecutor(1) as pool, shared.room(10, 1, never_cancelled):

        def wait() -> bool:
            with shared.room(5, 1, gone.is_set) as has_room:
                return has_room

        waiting = pool.submit(wait)
        gone.set()
        assert waiting.result(5) is False
    with shared.room(10, 1, never_cancelled) as has_room:
        assert has_room
