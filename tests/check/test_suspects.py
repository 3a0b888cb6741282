"""Which of many hashes may be there more than once: never too few, and few too many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.check.counting import repeats


@pytest.mark.parametrize("hand", [1, 3, 1 << 17])
@given(keys=st.lists(st.integers(0, (1 << 63) - 1) | st.integers(0, 40), max_size=80))
@settings(max_examples=60)
def test_no_key_that_is_there_twice_is_left_out(hand: int, keys: list[int]) -> None:
    """All places of a key that is there again are told, however many hands it was dealt to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_HAND", hand)
        found = repeats._suspects(np.array(keys, dtype=np.int64))
    assert list(found) == sorted(set(map(int, found)))
    again = {place for place, key in enumerate(keys) if keys.count(key) > 1}
    assert again <= set(map(int, found))


def test_few_others_are_told() -> None:
    """Of keys that all differ, most are not looked at again, also in one of several parts."""
    keys = np.random.default_rng(7).integers(0, 1 << 63, 300_000, dtype=np.int64)
    part = keys[(keys >> 5) & 3 == 2]
    for some in (keys, part):
        assert len(repeats._suspects(some)) < 0.1 * len(some)
