"""The dashboard under load: how long its frames take, what they weigh, and who has to wait for them.

``python -m scripts.dashboard --sessions 5000`` runs a gateway with that many sessions, and dashboards
that are open.
"""
