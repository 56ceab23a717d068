"""`tray-stream tap`: what passes on the topics, and who would receive it."""
