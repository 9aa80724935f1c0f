"""A flow that takes longer than a token lives."""

import os
import time

from metaflow import FlowSpec, step


class Hello(FlowSpec):
    """Start, and end."""

    @step
    def start(self):
        import metaflow_extensions.namesake.auth as auth

        print("the extension is", auth.__file__)
        time.sleep(float(os.environ.get("SECONDS", "0")))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Hello()
