"""Work handed to the workers of a dask.distributed cluster, which write their results themselves.

address → connection → executor      from what the user names to what takes work
worker                               what a worker does: it plans, computes and writes parts
stream                               the parts of one result, handed out and noted

`distributed` is imported when a cluster is connected to: it is the extra `jaccli[cluster]`.
"""

from jaccli.cluster.address import Address, parse
from jaccli.cluster.connection import Cluster, connect

__all__ = ["Address", "Cluster", "connect", "parse"]
