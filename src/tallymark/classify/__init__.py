"""User agents, hosts, click ids and channels: rules as data, applied to distinct values.

Nothing here reads rows. A stage collects the distinct values it has met, classifies each once
and joins the answers back. The rules are the YAML files in ``data/``.
"""
