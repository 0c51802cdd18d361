"""Files and caches.

files → local_files, atomic      the user's files, read and published
reading, npy, memmap             arrays in untrusted files
disk_cache                       caches on disk, for later processes
lru_cache                        caches in memory, of bounded size

Boundary: knows nothing of specs, models and results.
"""
