"""Notification: a person who is needed is told by a program of theirs, or by a message to an address.

    daemon  ->  a job: which ways, where their settings stand, the message  ->  ``tell``  ->  command, addresses

The settings may hold logins, so the job's request names their place alone, and the child reads them there. Nothing that
a way says of a failure is taken over as it is: it may hold an address.
"""
