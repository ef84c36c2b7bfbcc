"""Roamgate beside its peers and beside the floor, in the same run: ``python -m benchmarks``.

A work (``works.py``) is done by several contenders in turns, A B A B; what counts is the processor
time of the one that does it, so that neither the load generator nor other processes of the machine
stand in the figures. Nothing here has a limit: a figure is only held against those of its own run.
"""
