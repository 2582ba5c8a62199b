"""The cut: how a blocking call is ended at its limit, in the caller's own thread.

Python can't interrupt a blocking call.  But what hangs hangs in a socket nearly always, and a socket
can be shut down from outside: the call then returns at once, with its own error, in its own thread, and
all its clean-up runs.  One thread of the process, the *watcher*, asks the kernel at the limit what the
caller's thread waits for (`kernel`), and shuts that down.  No integration is needed; no client knows.

**Certainty.**  What may be shut down is the socket that a thread is blocked on *now*, inside of *the
very call* whose time is up.  A connection that has gone back to its pool meanwhile is somebody else's,
so between the look and the cut nobody may run Python.  Holding the GIL from one statement to the next
is not enough: a thread that waits for it gets it after 5 ms, which a busy machine easily takes between
two statements.  So look and cut are not two statements.  They are one call of ``list()`` over iterators
that are written in C, and C doesn't give the GIL away unless it says so (`chain`; up to Python 3.11 the
garbage collector might run finalisers there, so it is off meanwhile).  Its links, each of which ends the
chain if it doesn't hold:

1. the call hasn't ended: it is still among the overdue ones, which it leaves before it returns;
2. its thread waits in the same system call, with the same arguments and the same stack, as when it was
   looked at in peace, so that all that was learnt then holds;
3. what it polls, where it polls, is the same;
4. each descriptor is the same socket: the kernel's cookie tells, which is never given twice;
5. the call is marked as cut, and the socket is shut down.

What is learnt in peace: that our own step for this call is on the thread's stack (a greenlet may have
been switched away), and no event loop; that it waits for no more than a few sockets, of which none
listens and each is connected or about to be.

Who is hit: all that use this very connection.  A thread that writes to a socket on which another one
waits too long loses it, and so does a process that it was passed to (``fork``, ``dup``): a stream that
was left in the middle is of no use to anybody.  The streams of one HTTP/2 connection share its fate.

On a build without the GIL only the links stand between look and cut: in the microseconds between the
second and the last an answer that arrives in the very instant of the limit may be taken, and its
connection be passed on.  Figures: docs/explanation/decisions/0035-the-cut.md.

**Truth.**  A call that was cut has no result, however it ends: a body that is read until the connection
ends looks complete.  What can't be cut is told while it lasts (`telling`), and what it returns late is
handed over as an interruption, `Late`, which tells all gates on its way out that the time was up.

**Time.**  The calls of one limit run out in the order in which they began, so a dict is the queue of
timers (`wheel`): entering and leaving cost a dict's item, and wake nobody.  A client that has a timer of
its own, set to what is left, gets a head start of some milliseconds: its error says more.

Where the kernel doesn't tell (``/proc`` is missing or unreadable), the socket is looked for in the
frames (`by_frames`), and cut by the same chain.
"""
