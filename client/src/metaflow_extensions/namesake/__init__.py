"""Namesake's extension of Metaflow; Metaflow packages it with the code of a flow, so tasks in pods use it too."""
