"""Restarts of the server under a steady load: how many requests fail, and how long the longest has to wait.

``python -m scripts.restarts --help`` tells the options.
"""
