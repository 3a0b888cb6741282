"""A shop simulator whose truth is known: visitors, journeys, orders and planted incidents."""
