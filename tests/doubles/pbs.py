#!/usr/bin/env python3
"""A stand-in for PBS that runs what it is given: ``qsub``, ``qstat`` and ``qdel``, by the name it is called by.

Its jobs are files in $PBS_DOUBLE, and run in the background, in a session of their own; one in the queue ``full``
waits for ever.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

HOME = os.environ.get("PBS_DOUBLE", "")
NODE = "node1"


def path_of(job: str, kind: str = "json") -> str:
    return os.path.join(HOME, f"{job.partition('.')[0]}.{kind}")


def read(job: str) -> dict[str, Any]:
    with open(path_of(job)) as file:
        told: dict[str, Any] = json.load(file)
        return told


def write(job: str, told: dict[str, Any]) -> None:
    with open(path_of(job, "new"), "w") as file:
        json.dump(told, file)
    os.replace(path_of(job, "new"), path_of(job))


def fail(text: str, status: int) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    sys.exit(status)


def qsub(words: list[str]) -> None:
    options: dict[str, str] = {}
    resources: list[str] = []
    while words[:1] and words[0].startswith("-"):
        flag = words.pop(0)
        if flag == "-V":
            continue
        if flag not in ("-N", "-j", "-o", "-l", "-q", "-A", "-r"):
            fail(f"qsub: invalid option {flag}", 2)
        value = words.pop(0)
        resources += [value] if flag == "-l" else []
        options[flag] = value
    [script] = words
    if not options.get("-N", "x")[0].isalpha() or len(options.get("-N", "")) > 15:
        fail("qsub: illegal -N value", 1)
    if options.get("-q") == "none":
        fail("qsub: Unknown queue", 1)
    with open(script) as file:
        text = file.read()
    number = 1 + max([0, *(int(name.partition(".")[0]) for name in os.listdir(HOME) if name.endswith(".json"))])
    job = f"{number}.pbs"
    with open(path_of(job, "sh"), "w") as file:
        file.write(text)
    told = {"name": options["-N"], "state": "Q", "queue": options.get("-q", "batch"), "resources": resources}
    write(job, {**told, "output": options["-o"], "submitted": time.time()})
    run(job)
    print(job)


def run(job: str) -> None:
    """Run it in the background."""
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        execute(job)
        sys.exit()


def execute(job: str) -> None:
    while read(job)["queue"] == "full":
        if read(job)["state"] == "F":
            return
        time.sleep(0.05)
    told = read(job)
    with open(told["output"], "a") as output:
        environment = {
            **os.environ,
            "PBS_JOBID": job,
            "PBS_O_WORKDIR": os.getcwd(),
            "PBS_ENVIRONMENT": "PBS_BATCH",
        }
        process = subprocess.Popen(
            ["/bin/sh", path_of(job, "sh")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            cwd="/",  # where a home may be; not where it was handed in
        )
    write(job, {**told, "state": "R", "pid": process.pid, "started": time.time()})
    status = process.wait()
    told = read(job)
    status = 256 - status if status < 0 else status
    write(job, {**told, "state": "F", "status": status})


def qstat(words: list[str]) -> None:
    is_full, shows_ended = "-f" in words, "-x" in words
    jobs = [word for word in words if not word.startswith("-")]
    if not jobs:
        list_all()
        return
    [job] = jobs
    if not os.path.exists(path_of(job)):
        fail(f"qstat: Unknown Job Id {job}", 153)
    told = read(job)
    if told["state"] == "F" and not shows_ended:
        fail(f"qstat: {job} Job has finished, use -x or -H to obtain historical job information", 35)
    assert is_full
    print(f"Job Id: {job}\n    Job_Name = {told['name']}")
    print(f"    job_state = {told['state']}\n    queue = {told['queue']}")
    if "pid" in told:
        print(f"    exec_host = {NODE}/0*4")
        print(f"    stime = {time.strftime('%a %b %d %H:%M:%S %Y', time.localtime(told['started']))}")
    for resource in told["resources"]:
        if resource.startswith("walltime="):
            print(f"    Resource_List.walltime = {resource.partition('=')[2]}")
    if told["state"] == "Q":
        print("    comment = Not Running: Insufficient amount of resource: ncpus and more w\n\tords of why")
    if told.get("status") is not None:
        print(f"    Exit_status = {told['status']}")
    if told.get("deleted"):
        print("    comment = Job run at some time and terminated")
    print()


def list_all() -> None:
    print("Job id            Name             User              Time Use S Queue")
    print("----------------  ---------------- ----------------  -------- - -----")
    for name in sorted(os.listdir(HOME)):
        if name.endswith(".json"):
            job = name.removesuffix(".json") + ".pbs"
            told = read(job)
            if told["state"] != "F":
                print(f"{job:17} {told['name']:16} me 00:00:00 {told['state']} {told['queue']}")


def qdel(words: list[str]) -> None:
    [job] = words
    if not os.path.exists(path_of(job)):
        fail(f"qdel: Unknown Job Id {job}", 153)
    told = read(job)
    write(job, {**told, "deleted": True, "state": "F" if told["state"] == "Q" else told["state"]})
    if told["state"] == "R":
        os.killpg(told["pid"], signal.SIGTERM)


if __name__ == "__main__":
    {"qsub": qsub, "qstat": qstat, "qdel": qdel}[os.path.basename(sys.argv[0])](sys.argv[1:])
