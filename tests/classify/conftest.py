from __future__ import annotations

import pytest

from tallymark.classify.channels import Channels


@pytest.fixture(scope="session")
def channels() -> Channels:
    """The shipped rules, compiled once."""
    return Channels.shipped()
