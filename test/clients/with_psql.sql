-- What people type into psql. Everything that it prints is compared with what it prints without a gateway.
\set VERBOSITY verbose
\pset pager off
\pset null '(null)'
\timing off
SELECT 1 AS one, NULL AS nothing, '' AS empty, 'ünïcode → ✓' AS text;
SELECT 2 \; SELECT 3, 4 \; SELECT FROM generate_series(1, 2);
SELECT id, name, email FROM customers WHERE id <= 3 ORDER BY id;
\echo rows :ROW_COUNT
SELECT current_user, current_database(), current_setting('client_encoding');
SELECT n, repeat('x', n) FROM generate_series(0, 5) n;
\gdesc
;
-- errors, each with its SQLSTATE
SELEC 1;
SELECT 1/0;
SELECT * FROM no_such_table;
SELECT 'not a number'::int;
INSERT INTO customers VALUES (1, 'twice', NULL);
INSERT INTO orders VALUES (100000, 100000, 1, now());
\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
SELECT 1; SELECT 1/0; SELECT 2;
-- notices at every level that a client sees
SET client_min_messages = debug1;
DO $$ BEGIN
  RAISE DEBUG 'debug %', 1;
  RAISE LOG 'log %', 2;
  RAISE INFO 'info %', 3;
  RAISE NOTICE 'notice %', 4 USING HINT = 'a hint', DETAIL = 'a detail', ERRCODE = '01ABC';
  RAISE WARNING 'warning %', 5;
END $$;
RESET client_min_messages;
DROP TABLE IF EXISTS was_never_there;
-- transactions
BEGIN; INSERT INTO customers VALUES (5000, 'five', NULL); SAVEPOINT a; SELECT 1/0; SELECT 'skipped'; ROLLBACK TO a;
SELECT count(*) FROM customers; ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; SHOW transaction_isolation; DELETE FROM customers; COMMIT;
COMMIT;
\set AUTOCOMMIT off
SELECT 'in a transaction that psql began';
ROLLBACK;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 'goes on';
COMMIT;
\set ON_ERROR_ROLLBACK off
-- cursors, of SQL and of psql
BEGIN;
DECLARE slices SCROLL CURSOR FOR SELECT id FROM orders ORDER BY id;
FETCH 3 FROM slices;
MOVE 10 IN slices;
FETCH BACKWARD 2 FROM slices;
FETCH 0 FROM slices;
CLOSE slices;
COMMIT;
\set FETCH_COUNT 7
SELECT id FROM orders ORDER BY id LIMIT 20;
\unset FETCH_COUNT
-- prepared in SQL
PREPARE by_id (int) AS SELECT name FROM customers WHERE id = $1;
EXECUTE by_id(7);
EXECUTE by_id(8);
EXECUTE by_id('x');
DEALLOCATE by_id;
-- COPY, both ways
CREATE TEMP TABLE copied (id int, name text);
COPY copied FROM stdin;
1	one
2	\N
3	with\ttab
\.
COPY copied FROM stdin WITH (FORMAT csv);
4,"with ""quotes"""
5,"two
lines"
\.
COPY copied FROM stdin;
not a number	x
\.
COPY copied TO stdout;
COPY (SELECT * FROM copied ORDER BY id) TO stdout WITH (FORMAT csv, HEADER);
\copy copied TO pstdout
SELECT count(*), count(name) FROM copied;
-- notifications to oneself
LISTEN here;
NOTIFY here, 'first';
SELECT pg_notify('here', 'second');
UNLISTEN *;
-- large objects
BEGIN;
SELECT lo_create(424242);
SELECT lowrite(lo_open(424242, 131072), 'a large object'::bytea);
SELECT convert_from(lo_get(424242), 'UTF8');
SELECT lo_unlink(424242);
COMMIT;
-- what psql asks for its own commands
\d customers
\dt public.*
\dn
\df no_such_function
\sf no_such_function
\crosstabview
SELECT format('SELECT %s AS made', n) FROM generate_series(1, 3) n \gexec
SELECT 'a' AS x, 'b' AS y \gset
\echo :x :y
EXPLAIN (COSTS OFF) SELECT * FROM customers WHERE id = 1;
SHOW standard_conforming_strings;
SELECT 'back\slash', E'back\\slash', U&'\0061', $tag$dol'lar$tag$;
SET client_encoding = 'LATIN1';
SELECT 'encoded';
RESET client_encoding;
SET TIME ZONE 'Asia/Tokyo';
SELECT '2020-02-02 02:02:02+00'::timestamptz, '{1,2,NULL}'::int[], '{"a": [1, null]}'::jsonb, 1.50::numeric, 'NaN'::float8;
-- rights are those of the login
CREATE ROLE somebody;
SELECT * FROM pg_authid;
