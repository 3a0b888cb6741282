"""Cases another product published, in that product's own labels, where they lie beside us."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tallymark.classify.channels import Channels, Landing

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "oracles" / "channels_posthog"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no oracle at {FOLDER}"),
]

# Number of the case: the channel we say instead of the label it gives, and why.
DIFFERENT = {
    4: ("Paid Other", "a medium without a source does not borrow the referrer as its source"),
    9: ("Paid Other", "as 4"),
    12: ("Unassigned", "unknown tags are Unassigned in GA4, never Direct"),
    13: ("Unknown", "no referrer was collected, so nothing is known; GA4 has no such label"),
    15: ("Unassigned", "a tag that no rule knows does not fall back to the referrer"),
    19: ("Unassigned", "GA4's affiliate medium is the word affiliate, exactly"),
    20: ("Unassigned", "as 15"),
    28: ("Paid Search", "a click id without tags decides by its kind, whatever the referrer"),
    31: ("Paid Search", "as 28"),
    36: ("Paid Shopping", "GA4 asks for a shopping campaign before it asks for search"),
}
# The same for the list of domains.
DIFFERENT_DOMAINS = {"stripe.com": ("Referral", "payment hosts are no shopping sites")}


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one file, without the word that stands for nothing."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return [
            {key: "" if value == "null" else value for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


def test_cases(channels: Channels) -> None:
    """Every published case has its label, or the one we explain."""
    said = {}
    for row in rows("cases.csv"):
        number = int(row["case_id"].split("_")[0].lstrip("ph"))
        clicks = [name for name in ("gclid", "msclkid", "gad_source", "fbclid") if row[name]]
        domain = row["referring_domain"]
        landing = Landing(
            utm_source=row["utm_source"],
            utm_medium=row["utm_medium"],
            utm_campaign=row["utm_campaign"],
            click_id=clicks[0] if clicks else None,
            partner=None,
            referrer_host=None if domain == "$direct" else domain or None,
            own=False,
            landing_seen=True,
            referrer_collected=bool(domain),
        )
        channel = channels.classify(landing).channel
        if channel != row["ga4_label"]:
            said[number] = channel
    assert said == {number: channel for number, (channel, _) in DIFFERENT.items()}


def test_domains(channels: Channels) -> None:
    """Every published domain is on the list of its kind, or on the one we explain."""
    said = {}
    for row in rows("domain_type_cases.csv"):
        domain, kind = row["referring_domain"], row["expected_domain_type"]
        host = None if domain == "$direct" else domain
        landing = Landing(
            None,
            None,
            None,
            None,
            None,
            host,
            own=False,
            landing_seen=True,
            referrer_collected=True,
        )
        expected = "Direct" if host is None else f"Organic {kind}"
        channel = channels.classify(landing).channel
        if channel != expected:
            said[domain] = channel
    assert said == {domain: channel for domain, (channel, _) in DIFFERENT_DOMAINS.items()}
