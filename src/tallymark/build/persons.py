"""Persons behind clients: joined by a shared e-mail, within guard rails."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["group_persons"]

MAX_CLIENTS_PER_EMAIL = 8  # beyond this an e-mail is a shop's own, a test's, or a placeholder
MAX_EMAILS_PER_CLIENT = 4  # beyond this a client is a shared or a shop's device
MAX_CLIENTS_PER_PERSON = 16


def group_persons(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Join clients that share an e-mail hash into persons.

    Plain connected components grow into one giant person through shared devices and placeholder
    addresses. So an e-mail or a client with too many partners joins nothing, and a join that
    would make a person too large is not made.

    Args:
        pairs: Distinct (client id, e-mail hash), sorted, so that the result does not depend on
            the order of arrival.

    Returns:
        Person id by client id: a hash of the person's smallest client id.
    """
    clients_of: dict[str, list[str]] = {}
    emails_of: dict[str, int] = {}
    for client, email in pairs:
        clients_of.setdefault(email, []).append(client)
        emails_of[client] = emails_of.get(client, 0) + 1
    leader: dict[str, str] = {client: client for client in emails_of}
    size = dict.fromkeys(leader, 1)

    def root(client: str) -> str:
        while leader[client] != client:
            leader[client] = leader[leader[client]]
            client = leader[client]
        return client

    for email in sorted(clients_of):
        members = [c for c in clients_of[email] if emails_of[c] <= MAX_EMAILS_PER_CLIENT]
        if len(clients_of[email]) > MAX_CLIENTS_PER_EMAIL:
            continue
        for client in members[1:]:
            low, high = sorted((root(members[0]), root(client)))
            if low != high and size[low] + size[high] <= MAX_CLIENTS_PER_PERSON:
                leader[high] = low
                size[low] += size[high]
    return {
        client: hashlib.sha256(f"person|{root(client)}".encode()).hexdigest()[:32]
        for client in leader
    }
