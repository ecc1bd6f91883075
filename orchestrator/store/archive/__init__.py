"""The archive: runs that are over, kept in an SQL database for longer than Redis keeps them."""
