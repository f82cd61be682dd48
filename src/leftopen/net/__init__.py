"""The only room that opens a socket: guards, rates, budgets, the dialer, TLS, HTTP/1.1.

Reach alone may import it, and hands a probe a dialer that reaches its Target and nothing else.
"""
