"""A spec with a `sweep:`: spec → tasks → groups → results → folder, reports.

expand, task_names              the tasks of a sweep, and their names
fingerprint                     what determines a task's result, as a hash
task_record, results_folder     the stored record of a task; the folder of results and records
runner, dry_run                 a sweep run from its tasks on; its sizes and times, predicted
grouping, batching              tasks that share a program; their results
worker, scheduler               a chunk of tasks computed and written; chunks sent to processes
process_pool                    processes on this machine
table, ci_reports               summaries for people and for CI servers
"""

from jaccli.sweep.expand import SweepTask, expand

__all__ = ["SweepTask", "expand"]
