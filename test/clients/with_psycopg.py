"""psycopg 3 does what it can do; everything is printed, and compared with what it prints without a gateway.

The connection is in libpq's own variables.
"""
import logging
import threading

import psycopg
from psycopg import sql

# Whether it warns of what it ignores in a pipeline that is broken depends on who was faster.
logging.getLogger("psycopg").setLevel(logging.ERROR)


def say(*words):
    print(*words, flush=True)


def fails(what):
    try:
        what()
        say("no error")
    except psycopg.Error as error:
        say(type(error).__name__, error.sqlstate, str(error).split("\n")[0])


def rows(cursor):
    fetched = cursor.fetchall()
    say("rows", cursor.rowcount, len(fetched), cursor.statusmessage, fetched[:3])


notices = []
with psycopg.connect("", autocommit=True, prepare_threshold=2) as c:
    c.add_notice_handler(lambda diagnostic: notices.append((diagnostic.severity, diagnostic.sqlstate, diagnostic.message_primary)))
    cur = c.cursor()
    # parameters of many types, in text and in binary
    for binary in (False, True):
        cur = c.cursor(binary=binary)
        cur.execute(
            "select %s::int, %s::text, %s::text, %s::bool, %s::bytea, %s::numeric, %s::float8, %s::int[], %s::date",
            (7, "ünïcode", None, True, b"\x00\xff", "1.50", 0.1, [1, None, 3], "2020-02-02"),
        )
        rows(cur)
    # prepared after the second time; plans change under it
    for number in range(6):
        cur.execute("select name from customers where id = %s", (number + 1,))
        rows(cur)
    fails(lambda: c.execute("select %s::int / 0", (1,)))
    fails(lambda: c.execute("select * from no_such_table where id = %s", (1,)))
    fails(lambda: c.execute("selec"))
    c.execute("do $$ begin raise notice 'a notice'; end $$")
    say(notices)
    # many rows of one statement
    cur.executemany("insert into customers values (%s, %s, null) returning id", [(n, f"new {n}") for n in range(3000, 3050)])
    cur.execute("delete from customers where id between %s and %s", (3000, 3099))
    say("rows", cur.rowcount, cur.statusmessage)
    # transactions, nested
    with c.transaction():
        c.execute("insert into customers values (3000, 'x', null)")
        try:
            with c.transaction():
                c.execute("insert into customers values (3000, 'y', null)")
        except psycopg.errors.UniqueViolation as error:
            say(error.sqlstate, error.diag.constraint_name)
        c.execute("delete from customers where id = 3000")
    # pipelines: answers in order, an error aborts to the next sync
    with c.pipeline() as pipeline:
        cursors = [c.execute("select %s::int + n from generate_series(1, %s) n", (n, n)) for n in range(20)]
        pipeline.sync()
        for each in cursors:
            rows(each)
    def broken():
        with c.pipeline():
            c.execute("select 1")
            c.execute("select 1 / %s", (0,))
            c.execute("select 3")
    fails(broken)
    say(c.execute("select 'goes on'").fetchone())
    # server-side cursors
    with c.transaction(), c.cursor(name="slices", scrollable=True) as slices:
        slices.execute("select id from orders order by id")
        say(slices.fetchmany(3), slices.fetchone())
        slices.scroll(100)
        say(slices.fetchmany(2))
        say(len(slices.fetchall()))
    # COPY: text, csv, binary, broken off by the client
    c.execute("create temp table copied (id int, name text, data bytea)")
    with cur.copy("copy copied from stdin") as copy:
        for number in range(1000):
            copy.write_row((number, None if number % 3 else f"name {number}", bytes([number % 256])))
    say("rows", cur.rowcount)
    with cur.copy("copy copied (id, name) from stdin (format binary)") as copy:
        copy.set_types(["int4", "text"])
        for number in range(1000, 1500):
            copy.write_row((number, "b"))
    say("rows", cur.rowcount)
    with cur.copy("copy (select * from copied order by id) to stdout") as copy:
        say("bytes", sum(len(block) for block in copy))
    with cur.copy("copy (select id, name from copied order by id) to stdout (format binary)") as copy:
        copy.set_types(["int4", "text"])
        say("copied", sum(1 for _ in copy.rows()))
    def refused():
        with cur.copy("copy copied from stdin") as copy:
            copy.write_row((1, "x", b""))
            raise ValueError("the client changed its mind")
    try:
        refused()
    except psycopg.Error as error:
        say(error.sqlstate, error)
    rows(c.execute("select count(*) from copied"))
    # notifications
    c.add_notify_handler(lambda notification: say(notification.channel, notification.payload))
    c.execute("listen here")
    c.execute("notify here, 'to myself'")
    say(c.execute("select 1").fetchone())
    # text composed by the client
    c.execute(sql.SQL("create temp table {} ({} int)").format(sql.Identifier('odd "name"'), sql.Identifier("select")))
    say(c.execute("select relname from pg_class where relname like 'odd%%' and 1 = %s", (1,)).fetchone())
    # cancel, from another thread
    threading.Timer(0.5, c.cancel).start()
    fails(lambda: c.execute("select pg_sleep(60)"))
    # large objects by function
    with c.transaction():
        oid = c.execute("select lo_from_bytea(0, %s)", (b"large" * 10000,)).fetchone()[0]
        say(c.execute("select length(lo_get(%s))", (oid,)).fetchone(), c.execute("select lo_unlink(%s)", (oid,)).fetchone())
    # a big parameter and a big result
    rows(c.execute("select length(%s)", ("x" * 3_000_000,)))
    big = c.execute("select repeat('y', 5000000)").fetchone()[0]
    say(len(big), set(big))
    say(c.info.parameter_status("server_encoding"), c.info.transaction_status.name)
with psycopg.connect("", autocommit=False) as c:
    c.execute("insert into customers values (3001, 'never', null)")
    c.rollback()
    fails(lambda: c.execute("insert into no_such_table values (1)"))
    fails(lambda: c.execute("select 1"))
    c.rollback()
    say(c.execute("select count(*) from customers where id = 3001").fetchone())
