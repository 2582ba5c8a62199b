"""Holdfast inside the clients that people use; each integration is a module, and an extra, of its own.

`holdfast.integrations.http` knows what HTTP says about repeating, failing and coming back, once for
every client.  `holdfast.integrations.httpx` and `.httpx2` are transports.
"""
