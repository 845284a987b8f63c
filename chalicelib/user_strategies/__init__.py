"""Strategies of users, one file each, named after its file; `cts new-strategy NAME` writes one.

The registry finds them by name and imports a file when it is first used. A file whose name begins with an
underscore is no strategy: what several strategies share goes there.
"""
