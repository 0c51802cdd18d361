"""A spec with a `sweep:`: spec → tasks → groups → results → folder, reports.

expand, task_names              the tasks of a sweep, and what they are called
fingerprint                     what determines a task's result, as a hash
task_record, results_folder     what is stored of a task; the folder of results and records
runner, dry_run                 all of that from the tasks on; what it would come to
grouping, batching              tasks that share a program; their results
worker, scheduler               a batch of them computed and written; batches handed to processes
process_pool                    those of this machine
table, ci_reports               what a person and what a CI server gets
"""

from jaccli.sweep.expand import SweepTask, expand

__all__ = ["SweepTask", "expand"]
