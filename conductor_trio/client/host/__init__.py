"""Files and processes of the compute node.

`local_socket` is where the application listens and who does so already, `temp_directory` a private place for it,
`cleanup` is a process that removes what a killed client leaves, `spawn` starts helpers, `batch_job` asks Slurm or
PBS for the end of the job.

May import `conductor_trio.errors`, `conductor_trio.limits` and `net`. Never here: the gateway.

Begin with `local_socket`.
"""
