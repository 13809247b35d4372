"""What the gateway costs, beside its peers: ``make bench``, or ``python -m scripts.bench --help``.

Everything runs on this machine, on loopback: the same nginx on a UNIX socket behind each proxy in turn, the same
load in front. Rounds are interleaved, so that whatever else the machine does hits all peers alike, and medians are
compared.
"""
