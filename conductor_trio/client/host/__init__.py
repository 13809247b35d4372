"""Files and processes of the compute node.

`local_socket` is where the application is to listen and who does so already, `application_socket` connects to it
and to nobody else there, `held_socket` though its name is gone, `temp_directory` is a private place for it,
`secrecy` keeps this process from being read,
`cleanup` is a process that removes what a killed client leaves, `spawn` starts helpers, `batch_job` asks Slurm or
PBS for the end of the job.

May import `conductor_trio.errors`, `conductor_trio.limits` and `net`. Never here: the gateway.

Begin with `local_socket`.
"""
