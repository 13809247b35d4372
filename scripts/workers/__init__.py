"""Workers: what becomes of requests when workers are killed under load, and what workers cost a registration.

``python -m scripts.workers --help`` tells the options.
"""
