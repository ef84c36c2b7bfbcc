"""The long tests run with ROAMGATE_CRASH_LONG=1, as in ``.ci/run``: they take some minutes."""

import os

collect_ignore = (
    []
    if os.environ.get("ROAMGATE_CRASH_LONG")
    else ["test_faults.py", "test_processes.py", "test_uploads.py"]
)
