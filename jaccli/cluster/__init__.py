"""Work handed to the workers of a dask.distributed cluster, which write their results themselves.

address → connection → executor      from what the user names to what takes work
worker                               what a worker does: it plans, computes and writes chunks
result_scheduler                     the chunks of one result, handed out and noted

sweep_executor                       a sweep's tasks, handed out

`distributed` is imported when a cluster is connected to: it is the extra `jaccli[cluster]`.
"""
