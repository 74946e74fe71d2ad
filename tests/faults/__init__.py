"""What goes wrong outside of a server: processes, memory, descriptors, networks, clocks.

`make faults` runs these and the longer ones, in files that begin with `long_`.
"""
