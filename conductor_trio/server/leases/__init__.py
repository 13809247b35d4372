"""Leases: with workers, what each process may have of a limit that holds for the host, and whom it has wait.

`terms` says which limits these are, and how much of each a process has without a word. `lessor`, at the control
process, lends the rest: a `lessee`, at each process, asks for more once its part is used up, and gives back what
it does not need, or others do. So the parts together are never more than the limit, whatever comes when, and
nothing is said as long as a part lasts. `leases` is that for the tasks of a process. `uses` folds what all
processes have used of the processor for the same people.

May import the sans-IO rooms; `leases` imports trio. Never here: what a limit counts, and how processes speak.

Begin with `lessor`.
"""
