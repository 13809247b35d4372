"""The operation of the process: what it opens, how it ends, and how it goes over to a successor.

`runtime_directory` and `listeners` are what one server has at a time, `state_file` what it leaves on disk,
`shutdown` its phases; `handover` passes all of it on, `borrowed` are the sessions that a predecessor lends
meanwhile, `service_manager` is told, `tls` reads the certificate, `paced_clock` runs the event loop. Who starts a
successor is in `operation`.

May import the planes and what lies below them. Never here: a single request, a single client.

Begin with the dialogue at the head of `handover`, or with the phases at the head of `shutdown`.
"""
