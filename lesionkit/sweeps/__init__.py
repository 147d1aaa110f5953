"""A grid in a YAML file in; the runs it stands for, and those that are missing, out.

Free of torch; `papers`, commands and notebooks import it. The YAML files beside this
one are the sweeps that come with the kit.
"""

__all__ = ["grid_files", "sweep"]
