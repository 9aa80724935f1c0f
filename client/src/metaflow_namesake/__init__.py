"""Log in to Namesake's gateway: `python -m metaflow_namesake login`. What tasks need too is in `metaflow_extensions.namesake`."""
