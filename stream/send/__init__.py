"""`tray-stream send`: one real request to a workflow, and its answer."""
