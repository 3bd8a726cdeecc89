"""Connects, reads one row and leaves, again and again, with libpq as psycopg has it; prints the milliseconds of each, one a line."""
import sys
import time

import psycopg

for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    with psycopg.connect("", autocommit=True) as connection:
        connection.execute("SELECT 1").fetchone()
        print((time.perf_counter() - began) * 1000)
