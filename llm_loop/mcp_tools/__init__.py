"""The read tools of the worker and the mentor, as an MCP server on standard input and output.

Read-only by design: whatever a role wants to change is a field of its decision, behind the gate. The
server is started by Codex outside of its sandbox, so a tool reads what it is for and nothing else, and
no answer is longer than a screenful of pages.
"""
