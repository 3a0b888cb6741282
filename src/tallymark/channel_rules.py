"""What a shop says of its own channels, and the labels that a channel can have."""

from __future__ import annotations

import difflib
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["CHANNELS", "CONDITIONS", "SOURCE_LISTS", "ChannelRule", "ChannelSettings"]

CHANNELS: Final = (
    "Direct",
    "Cross-network",
    "Paid Shopping",
    "Paid Search",
    "Paid Social",
    "Paid Video",
    "Display",
    "Paid Other",
    "Organic Shopping",
    "Organic Social",
    "Organic Video",
    "Organic Search",
    "AI Assistant",
    "Referral",
    "Email",
    "Affiliates",
    "Audio",
    "SMS",
    "Mobile Push Notifications",
    "Unassigned",
    "Unknown",
)
"""Every label a visit can get: GA4's default channel groups, and ``Unknown``."""

SOURCE_LISTS: Final = ("search", "social", "video", "shopping", "ai", "email", "other")
"""The lists of ``sources.yml``; sources on ``other`` are plain referrals."""

CONDITIONS: Final = ("source", "medium", "campaign", "referrer", "click_id", "partner")
"""What a rule of the shop can ask, in the order in which it is explained."""

Words = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]


def _known(word: str, words: tuple[str, ...], what: str) -> str:
    if word in words:
        return word
    lower = {one.lower(): one for one in words}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.5)
    cure = f"did you mean {lower[close[0]]!r}?" if close else f"one of: {', '.join(words)}"
    msg = f"is no {what}; {cure}"
    raise ValueError(msg)


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True,
        defer_build=True,  # a model inside another one never needs a validator of its own
    )  # fmt: skip


class ChannelRule(_Strict):
    """A rule of the shop's own, asked before every shipped one.

    All fields that are given must hold; of one field, any of its values is enough. Capitals do
    not matter, and ``*`` stands for any text.
    """

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="Recorded in channel_rule as `own:ID`."
    )
    channel: str = Field(description="One of the labels of channels.")
    source: Words = Field((), description="The utm_source.")
    medium: Words = Field((), description="The utm_medium.")
    campaign: Words = Field((), description="The utm_campaign.")
    referrer: Words = Field((), description="The referrer's host; covers its subdomains.")
    click_id: Words = Field((), description="The name of the click id on the page, such as gclid.")
    partner: Words = Field((), description="The affiliate network that left a parameter.")

    @field_validator("channel")
    @classmethod
    def _a_label(cls, value: str) -> str:
        return _known(value, CHANNELS, "channel")

    @field_validator("referrer")
    @classmethod
    def _a_host(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if set(value) & set("*/:? "):
                msg = f"{value!r} is no host; write it as example.com, which covers www.example.com"
                raise ValueError(msg)
        return values

    @model_validator(mode="after")
    def _asks_something(self) -> ChannelRule:
        if not any(getattr(self, field) for field in CONDITIONS):
            msg = f"asks nothing, so every visit would be its; give one of {', '.join(CONDITIONS)}"
            raise ValueError(msg)
        return self


class ChannelSettings(_Strict):
    """The shop's own channel rules and sources; both are asked before the shipped ones."""

    rules: tuple[ChannelRule, ...] = Field((), description="In order: the first that holds wins.")
    sources: dict[str, dict[str, tuple[str, ...]]] = Field(
        {},
        description="By list (search, social, video, shopping, ai, email, other) and name of a "
        "source: its hosts, which cover their subdomains, and other words it is tagged with.",
    )

    @field_validator("rules")
    @classmethod
    def _ids_once(cls, rules: tuple[ChannelRule, ...]) -> tuple[ChannelRule, ...]:
        ids = [rule.id for rule in rules]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            msg = f"the rule id {twice[0]!r} is given twice"
            raise ValueError(msg)
        return rules

    @field_validator("sources")
    @classmethod
    def _known_lists(
        cls, sources: dict[str, dict[str, tuple[str, ...]]]
    ) -> dict[str, dict[str, tuple[str, ...]]]:
        owner: dict[str, str] = {}
        for kind, named in sources.items():
            _known(kind, SOURCE_LISTS, "list of sources")
            for name, words in named.items():
                whose = f"{name} ({kind})"
                for word in dict.fromkeys(one.strip().lower() for one in (name, *words)):
                    if owner.setdefault(word, whose) != whose:
                        msg = f"{word!r} stands for both {owner[word]} and {whose}"
                        raise ValueError(msg)
        return sources
