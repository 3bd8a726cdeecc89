"""Connects with the real libpq 18 and runs one query.

usage: libpq18.py LIBPQ CONNINFO SQL

Where libpq wants an OAuth token (its own device flow is a package of its own), this prints `token DISCOVERY SCOPE` and reads the token
from standard input; libpq does everything else.
"""
import ctypes
import sys

BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN (libpq-fe.h of PostgreSQL 18)
CONNECTION_OK = 0


class BearerRequest(ctypes.Structure):
    """PGoauthBearerRequest"""

    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("async_", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    ]


HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(BearerRequest))


@HOOK
def give_token(kind, _connection, request):
    if kind != BEARER_TOKEN:
        return 0
    asked = request.contents
    print("token", asked.openid_configuration.decode(), (asked.scope or b"").decode(), flush=True)
    request.contents.token = sys.stdin.readline().strip().encode()
    return 1


library, conninfo, sql = sys.argv[1:]
pq = ctypes.CDLL(library)
for name in ("PQerrorMessage", "PQgetvalue", "PQresultErrorMessage"):
    getattr(pq, name).restype = ctypes.c_char_p
for name in ("PQconnectdb", "PQexec"):
    getattr(pq, name).restype = ctypes.c_void_p
pq.PQsetAuthDataHook(give_token)
connection = ctypes.c_void_p(pq.PQconnectdb(conninfo.encode()))
if pq.PQstatus(connection) != CONNECTION_OK:
    sys.exit(pq.PQerrorMessage(connection).decode())
result = ctypes.c_void_p(pq.PQexec(connection, sql.encode()))
print("row", pq.PQgetvalue(result, 0, 0).decode(), pq.PQprotocolVersion(connection), flush=True)
pq.PQfinish(connection)
