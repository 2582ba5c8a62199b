"""The demo: a shop, the two services it calls, and what happens when one of them hangs.

Everything is real: HTTP servers on loopback, each in a process of its own, real ``httpx`` clients,
and an open-loop load generator. The story is played twice, first unprotected and then with Holdfast.

=============  =================================================================================
`settings`     the knobs, the durations and the sizes of one demo
`wire`         a child's end of the pipe to the story (port, figures, commands)
`processes`    the story's end of it: start a child, talk to it, leave nothing behind
`serving`      what the servers share: a free port, uvicorn
`service`      the payment and the notification service
`shop`         what both shops share
`shop_sync`    the shop on a pool of threads, with a plain ``httpx.Client``; protected by decorators
`shop_async`   the shop on asyncio, with ``httpx.AsyncClient``; protected by its transport
`protection`   what Holdfast adds to the shop: the only module here that uses it
`counted`      transports that count what is under way at each dependency
`schedule`     who asks for what, and when: seeded Poisson arrivals
`load`         the users: they ask on schedule, whatever becomes of those before them
`story`        calm, payments hang, payments recover; twice
`gauge`        how many are inside, and how many there were at most
`measure`      rates, percentiles, recovery: numbers in, numbers out
`bars`         what was promised, and whether it was kept
`glance`       what a view shows of a run that goes on
`live`         the view in a terminal, drawn with `tables`
`plain`        the view without one: lines
`report`       the HTML report, with the figure of `plots`
`results`      the same for machines: JSON
=============  =================================================================================
"""
