"""The operation of the process: what it opens, and how it goes over to a successor.

`runtime_directory` and `listeners` are what one server has at a time, `socket activation` in `net` what it may
inherit; `handover` passes them on, `borrowed` are the sessions that a predecessor lends meanwhile, `successor`
starts one on SIGHUP, `service_manager` is told, `tls` reads the certificate.

May import the planes' values and what lies below. Never here: a single request.

Begin with the dialogue at the head of `handover`.
"""
