/**
 * A small shop, worth looking at: customers, their orders and payments with card numbers, and the people who work there. Nobody in
 * it exists, and the card numbers are those that card companies publish for tests. The same at each start.
 */
export const shopSql = `
CREATE TABLE customers (
  id int PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, city text NOT NULL, since date NOT NULL);
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price numeric(8,2) NOT NULL);
CREATE TABLE orders (
  id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, placed timestamptz NOT NULL, state text NOT NULL);
CREATE TABLE order_lines (
  "order" int NOT NULL REFERENCES orders, line int NOT NULL, product int NOT NULL REFERENCES products,
  quantity int NOT NULL, PRIMARY KEY ("order", line));
CREATE TABLE payments (
  id int PRIMARY KEY, "order" int NOT NULL REFERENCES orders, card_number text NOT NULL, card_holder text NOT NULL,
  amount numeric(10,2) NOT NULL, paid timestamptz NOT NULL);
CREATE TABLE employees (
  id int PRIMARY KEY, name text NOT NULL, role text NOT NULL, salary numeric(10,2) NOT NULL, iban text NOT NULL);

INSERT INTO customers
SELECT n, first || ' ' || last, lower(first || '.' || last || n || '@example.com'),
  (ARRAY['Lisbon','Berlin','Oslo','Athens','Dublin','Vienna','Prague','Turin'])[1 + n % 8],
  date '2019-01-01' + (n * 5) % 2400
FROM generate_series(1, 400) n,
  LATERAL (SELECT (ARRAY['Ada','Grace','Alan','Edsger','Barbara','Donald','Margaret','Dennis','Radia','Ken'])[1 + n % 10] AS first,
    (ARRAY['Almeida','Brandt','Christou','Dahl','Evans','Fischer','Garcia','Haas','Ivanova','Jensen','Kelly'])[1 + n % 11] AS last) names;

INSERT INTO products VALUES
  (1, 'Lantern', 39.90), (2, 'Rope, 20 m', 24.50), (3, 'Compass', 59.00), (4, 'Tent', 189.00), (5, 'Stove', 74.90),
  (6, 'Map of the coast', 12.00), (7, 'Boots', 129.00), (8, 'Rain jacket', 99.00);

INSERT INTO orders
SELECT n, 1 + (n * 7) % 400, timestamptz '2025-01-01 08:00+00' + n * interval '97 minutes',
  (ARRAY['paid','paid','paid','sent','sent','returned'])[1 + n % 6]
FROM generate_series(1, 3000) n;

INSERT INTO order_lines SELECT o, l, 1 + (o * l) % 8, 1 + (o + l) % 3 FROM generate_series(1, 3000) o, generate_series(1, 2) l;

INSERT INTO payments
SELECT o.id, o.id, (ARRAY['4111 1111 1111 1111','5555 5555 5555 4444','3782 822463 10005','6011 1111 1111 1117'])[1 + o.id % 4],
  c.name, sum(p.price * l.quantity), o.placed + interval '2 minutes'
FROM orders o JOIN customers c ON c.id = o.customer JOIN order_lines l ON l."order" = o.id JOIN products p ON p.id = l.product
GROUP BY o.id, c.name;

INSERT INTO employees VALUES
  (1, 'Mara Lindqvist', 'manager', 84000, 'DE00 0000 0000 0000 0000 01'), (2, 'Tomas Okafor', 'accountant', 56000, 'DE00 0000 0000 0000 0000 02'),
  (3, 'Ines Caldeira', 'support', 43500, 'DE00 0000 0000 0000 0000 03'), (4, 'Yusuf Demir', 'warehouse', 39000, 'DE00 0000 0000 0000 0000 04');

CREATE VIEW revenue AS
  SELECT date_trunc('month', paid)::date AS month, count(*) AS payments, sum(amount) AS total FROM payments GROUP BY 1 ORDER BY 1;

DO $owner$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['customers','products','orders','order_lines','payments','employees','revenue'] LOOP
    EXECUTE format('ALTER TABLE %I OWNER TO app_owner', t);
  END LOOP;
END $owner$;
GRANT CREATE ON SCHEMA public TO app_owner;
GRANT SELECT ON customers, products, orders, order_lines, payments, revenue TO app_readonly;
ANALYZE;
`
