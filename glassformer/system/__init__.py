"""The machine underneath: files, folders, processes, compiled kernels, caches. No torch."""
