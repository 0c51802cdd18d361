"""A spec with a `sweep:`: spec → tasks → groups → results → folder, reports.

expand, names            the tasks of a sweep, and what they are called
fingerprint              what determines a task's result, as a hash
record, folder           the account of each task; the folder that holds results and accounts
perform, forecast        all of that from the tasks on; what it would come to
group, compute           tasks that share a program; their results
work, parallel           a part of them computed and written; parts handed out to processes
processes                those of this machine
describe, reports        what a person and what a CI server gets
"""

from jaccli.experiment.expand import Task, expand

__all__ = ["Task", "expand"]
