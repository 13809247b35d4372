"""`conductor-trio submit`: a session in a batch job, handed in, waited for, and followed.

`request` is what a job needs, `state` what becomes of it; `slurm` and `pbs` are these two in the words of a batch
system, sans-IO, and `scheduler` chooses one and asks it. `script` is what the job runs, `records` where its token,
link and log are. `progress` puts it into words, `view` shows them, `follow` keeps both up to date.

May import `client.display`, `client.config`, `client.host`, `client.output` and what is below. Never here: the
session itself, which is the job's.

Begin with `follow`.
"""
