"""What a protected call costs: Holdfast, its peers, and hand-written code as the floor.

    python -m benchmarks overhead [--rounds N] [--quick] [--only SUBSTR] [--json FILE]

How it is measured
------------------
- **The same call for all.** Every candidate protects the same function, ``return x``, and is first
  asked whether it passes the result through. Attempts, limits and thresholds are the same for all
  (`settings`); the rest is as the peer's own documentation advises. Floors are code by hand.
- **Interleaved samples.** A sample is as many calls in a row as take about 15 ms. The samples of
  all candidates of one world (sync, asyncio) are taken in turn, round after round, in an order
  that rotates, so that a machine that slows down for a while slows everybody.
- **The minimum over the rounds** is reported, as the sample that was disturbed least; the median
  for stacks with a thread timeout, where the hand-over between threads is the disturbance, and the
  luckiest sample is not what a user gets. The garbage collector is off during a sample.
  These are sampled more often, since the system's choice of cores makes them come in two kinds, and
  once more with all threads on one core, where that choice is gone.
- **Minus the bare function**, measured by the same loop in the same rounds. Rejections are the
  exception: there is no call to subtract, so they count raising and catching in full.
- Every candidate gets a timing loop with a code object of its own, so that the interpreter's
  inline caches fit the candidate and no other. The asyncio loop gives way to the event loop every
  500 calls: what a timer leaves behind for the loop to clear away counts.
- Threads, memory, imports, timers and Node have their own methods, told in their modules.

Machines are shared and noisy: **the ratio of two rows of one run is the signal**, nanoseconds are
for orientation. So a bar comes in up to two forms: the absolute figure, and its share of the best
peer that was measured in the same run. Both are printed, met or not.
"""
