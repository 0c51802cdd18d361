"""Files and caches: read without trust, written whole or not at all, kept between calls.

files → local_files, atomic      the user's files, read and published
reading, npy, memmap             arrays in files that are not trusted
disk_cache                       what is kept from one process to the next
lru_cache                        what is kept within one, of bounded size

Boundary: knows nothing of specs, models and results.
"""
