import { expect, test } from 'vitest'
import { maskedReach } from '../../../src/analysis/sql/masked-reach.ts'
import type { MaskedTables } from '../../../src/analysis/sql/masked-tables.ts'
import { parseText, ready } from '../../../src/analysis/sql/parse.ts'

await ready

const masked: MaskedTables = {
  tables: [
    {
      schema: 'public',
      name: 'payments',
      masked: ['card'],
      columns: ['id', 'customer', 'card', 'amount', 'ctid', 'xmin'],
    },
  ],
  views: [{ schema: 'public', name: 'payment_view' }],
  functions: ['read_cards'],
}

function reach(text: string): string | undefined {
  const analysis = parseText(text, tree => maskedReach(tree, masked))
  expect(analysis.facts.class).not.toBe('unparsable')
  return analysis.maskedReach
}

test.each([
  // Through an expression.
  'select upper(card) from payments',
  "select card || '' from payments",
  'select card::bytea from payments',
  'select (card) collate "C" || 1 from payments',
  'select id from payments where card like $$4%$$',
  'select id from payments order by card',
  'select id, card from payments order by 2',
  'select id, card as c from payments order by c',
  'select card, count(*) from payments group by 1',
  'select card, count(*) from payments group by card',
  'select max(card) from payments',
  'select case when card > $1 then 1 end from payments',
  'select distinct on (card) id from payments',
  'select sum(amount) over (partition by card) from payments',
  'select array[card] from payments',
  'select row(card) from payments',
  'select coalesce(card) from payments',
  'select id from payments limit (select length(card) from payments limit 1)',
  'update payments set customer = card',
  'update payments set amount = 1 where card = $1',
  'delete from payments where card = $1',
  'delete from payments returning upper(card)',
  'insert into payments (id) values (1) on conflict (id) do update set customer = excluded.card',
  'merge into payments using orders on payments.card = orders.card when matched then delete',
  // As a whole row.
  'select p from payments p',
  'select payments from payments',
  'select row_to_json(payments) from payments',
  'select (p).card from payments p',
  'select (p.*)::text from payments p',
  'select to_jsonb(p.*) from payments p',
  'select p.to_jsonb from payments p',
  'select payments.row_to_json from payments',
  'select card(p) from payments p',
  'select count(p) from payments p',
  'select q.* from orders, lateral (select p.* from payments p) q',
  'delete from payments returning old',
  'delete from payments returning old.to_jsonb',
  'update payments set amount = 1 returning new.row_to_json',
  'select j from (payments cross join orders) as j',
  'select j.to_jsonb from (payments cross join orders) as j',
  'delete from payments returning with (old as o) o',
  // From inside of something.
  'select * from (select * from payments) x',
  'select * from (select card from payments) x',
  'select (select card from payments limit 1)',
  'with x as (select * from payments) select * from x',
  'with x as (table payments) select 1',
  'with x as (delete from payments returning *) select * from x',
  'with x as (delete from payments returning card) select * from x',
  'select card from payments union select 1::text',
  'table payments union all table payments',
  'select 1 where exists (select 1 from payments where card is null)',
  'select id from orders where card in (select card from payments)',
  'select array(select card from payments)',
  'select (select card) from payments',
  'insert into copy select * from payments',
  'insert into copy select card from payments',
  'create table copy as select * from payments',
  'create table copy as table payments',
  'create materialized view copy as select card from payments',
  'create table copy as execute prepared',
  'create table copy (like payments)',
  'create table copy () inherits (payments)',
  'select * into copy from payments',
  // By joins and other names.
  'select id from payments natural join orders',
  'select id from payments join orders using (card)',
  'select id from payments p join orders o on o.card = p.card',
  'select upper(c) from payments as p (a, b, c)',
  'select c from (payments cross join orders) as j (a, b, c)',
  // In other statements.
  'copy payments to stdout',
  'copy payments (id, card) to stdout',
  'copy (select * from payments) to stdout',
  'copy (select id, card from payments) to stdout',
  'declare c cursor for select card from payments',
  'create view v as select card from payments',
  'create view v as select id from payments',
  'create rule r as on insert to orders do also select card from payments',
  'create index i on payments (card)',
  'create policy p on payments using (true)',
  'alter table payments rename column card to c',
  'alter table payments rename to p',
  'alter table payments add column b text generated always as (card) stored',
  'prepare p as select upper(card) from payments',
  'explain analyze select upper(card) from payments',
  // What cannot be followed.
  'select * from payment_view',
  'select 1 from public.payment_view',
  'select read_cards()',
  'select * from read_cards()',
  'call read_cards()',
  'select id from payments where app.read_cards() = 1',
  "select query_to_xml('select 1', true, true, '')",
  "select table_to_xml('payments', true, true, '')",
  "select cursor_to_xml('c', 1, true, true, '')",
  "select * from dblink('x', 'y') as t (a int)",
  "select * from crosstab('select 1') as t (a int)",
  'do $$ begin null; end $$',
  'create function f() returns int language sql return 1',
  'select * from pg_stats',
  'select most_common_vals from pg_catalog.pg_stats where tablename = $$payments$$',
])('refused: %s', text => {
  expect(reach(text)).toBeTypeOf('string')
})

test.each([
  'select * from payments',
  'select card from payments',
  'select p.card as c, id from public.payments p where amount > 10 order by amount desc limit 5',
  'select payments.* from payments',
  'select public.payments.card from payments',
  'table payments',
  'select p.*, o.total * 2 from payments p join orders o on o.payment = p.id',
  'select count(*) from payments',
  'select distinct card from payments',
  'select id from payments order by 1',
  'select ctid, xmin, card from payments',
  'select id from orders where id in (select customer from payments where amount > 3)',
  'with rich as (select customer from payments where amount > 100) select * from rich',
  'select customer from payments union select id from orders',
  'update payments set card = $1 where id = 1',
  'update payments set amount = amount + 1 where id = 1 returning *',
  'delete from payments where id = 1 returning id, card',
  'insert into payments (id, card) values (1, $$4111$$) returning card',
  'insert into payments (id) select id from orders',
  'prepare p as select card from payments',
  'explain analyze select card from payments where id = 1',
  'lock payments',
  'vacuum payments',
  'truncate payments',
  'drop table payments',
  'select upper(card) from other_table',
  'select * from orders',
  'create table x as select * from orders',
  'copy orders to stdout',
  'set search_path = x',
])('allowed: %s', text => {
  expect(reach(text)).toBeUndefined()
})

test('each statement of a text is looked at', () => {
  expect(reach('select 1; select upper(card) from payments')).toBe('card is used in an expression')
})

test.each([
  // What was prepared was judged as something whose result goes to the client.
  'create table leak as execute p',
  'explain analyze create table leak as execute p',
  'explain (analyze, costs off) create temp table leak as execute p(1)',
  // A function that may not be called would be, under the name of something else.
  'create operator @@@ (function = read_cards, rightarg = int)',
  'create aggregate a (int) (sfunc = read_cards, stype = int)',
  'create cast (int as text) with function read_cards(int)',
  'create type r as range (subtype = int, subtype_diff = read_cards)',
  'create operator class c for type int using btree as function 1 read_cards(int, int)',
  'alter operator family f using btree add function 1 (int, int) read_cards(int, int)',
  'create schema s create trigger t before insert on a for each row execute function f()',
  // Within a transaction nobody else sees the new name.
  'alter schema public rename to other',
  'alter function read_cards rename to other',
  'alter routine read_cards(int) rename to other',
  'alter procedure read_cards rename to other',
])('even without naming a masked table: %s', text => {
  expect(reach(text)).toEqual(expect.any(String))
})

test.each([
  'explain analyze select 1',
  'create table kept as select 1',
  'create schema s create table t (a int)',
  'alter table a rename to b',
  'alter table a rename column b to c',
  'create collation c (locale = $$C$$)',
  'create type t as (a int)',
  'execute p',
])('allowed: %s', text => {
  expect(reach(text)).toBeUndefined()
})
