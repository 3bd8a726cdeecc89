/** What four roles do all day, as tasks of a few lines. `{…}` are filled in: numbers, and names that a person or a target has. */

export type Role = 'platform' | 'web' | 'data' | 'dba'
export const roles = ['platform', 'web', 'data', 'dba'] as const

export type Task = {
  readonly protocol: 'ssh' | 'postgres'
  readonly lines: readonly string[]
}

const ssh = (...lines: string[]): Task => ({ protocol: 'ssh', lines })
const sql = (...lines: string[]): Task => ({ protocol: 'postgres', lines })

/** More usual tasks come first; a person's own favourites are drawn from here. */
export const tasksOf: Readonly<Record<Role, readonly Task[]>> = {
  platform: [
    ssh('uptime', 'df -h', 'free -m', 'systemctl --failed'),
    ssh(
      'journalctl -u {service} -n 200 --no-pager',
      'systemctl status {service}',
      'journalctl -p err -S today',
    ),
    ssh('cd /etc/{service}', 'ls -la', 'vim {service}.conf', 'sudo systemctl reload {service}'),
    ssh('top -b -n 1 | head -n 20', 'ps aux --sort=-%mem | head', 'ss -s'),
    ssh('docker ps', 'docker logs --tail 100 {service}', 'docker stats --no-stream'),
    ssh('kubectl get pods -n {service}', 'kubectl logs -n {service} deploy/{service} --tail=50'),
    ssh('sudo apt update', 'apt list --upgradable', 'sudo apt upgrade -y'),
    ssh('du -sh /var/lib/* | sort -h | tail', 'ls -lt /var/log | head', 'sudo journalctl --disk-usage'),
    ssh('tail -n 50 /var/log/nginx/error.log', 'grep -c " 502 " /var/log/nginx/access.log'),
    ssh('ip addr', 'ip route', 'ping -c 3 {host}', 'curl -sI https://{host}/health'),
    ssh('cat /etc/os-release', 'uname -r', 'lsblk'),
    ssh('sudo systemctl restart {service}', 'systemctl status {service}'),
    ssh('openssl x509 -in /etc/nginx/tls/{host}.pem -noout -enddate'),
    ssh('sudo certbot renew --dry-run', 'ls -l /etc/letsencrypt/live/{host}'),
    ssh('rsync -a /srv/{service}/releases/ /srv/backup/{service}/', 'ls /srv/backup/{service}'),
    ssh('for h in a b c; do ssh {host}-$h uptime; done'),
    ssh('crontab -l', 'systemctl list-timers'),
    ssh('sudo usermod -aG docker {colleague}', 'id {colleague}'),
    ssh('sudo iptables -L -n', 'sudo iptables -A INPUT -p tcp --dport {n} -j ACCEPT'),
    ssh('sudo tcpdump -ni eth0 -c 100 port 443'),
  ],
  web: [
    ssh('cd /srv/{service}', 'git status', 'git log --oneline -n 5', 'git pull'),
    ssh('tail -n 100 /srv/{service}/log/app.log', 'grep ERROR /srv/{service}/log/app.log | tail -n 20'),
    ssh('npm ci', 'npm run build', 'npm test -- --run'),
    ssh('curl -s localhost:8080/health', 'curl -s localhost:8080/version | jq .'),
    ssh('docker compose ps', 'docker compose logs --tail=50 {service}', 'docker compose up -d {service}'),
    ssh('ls -la', 'cat package.json', 'node --version'),
    ssh('vim config/{service}.yaml', 'git diff', 'git commit -am "change {n}"'),
    ssh('less log/app.log', 'wc -l log/app.log', 'head -n 50 log/app.log'),
    ssh('ps aux | grep node', 'kill -USR2 {n}'),
    sql(
      "SELECT count(*) FROM orders WHERE created_at > now() - interval '1 day'",
      'SELECT id, state FROM orders WHERE id = {n}',
    ),
    sql('SELECT * FROM sessions WHERE user_id = {n} ORDER BY seen_at DESC LIMIT 20'),
    ssh('redis-cli info memory', 'redis-cli get session:{n}'),
    ssh('df -h /srv', 'du -sh node_modules', 'rm -rf node_modules'),
    ssh('cat .env.example', 'printenv NODE_ENV', 'history | tail -n 20'),
    ssh(
      'curl -fsSL -o /tmp/asset-{n}.tgz https://assets.example.net/{n}.tgz',
      'tar xzf /tmp/asset-{n}.tgz -C public',
    ),
    sql(
      "UPDATE feature_flags SET enabled = true WHERE name = 'flag{n}'",
      'SELECT name, enabled FROM feature_flags',
    ),
    ssh('sudo systemctl restart {service}', 'systemctl is-active {service}'),
    ssh('scp ./report-{n}.html {host}:/srv/www/reports/'),
  ],
  data: [
    sql(
      "SELECT date_trunc('day', created_at) AS day, count(*) FROM orders WHERE created_at > '2026-0{d}-01' GROUP BY 1 ORDER BY 1",
    ),
    sql(
      'SELECT c.region, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY c.region',
    ),
    sql(
      'SELECT product_id, count(*) FROM order_items WHERE order_id > {n} GROUP BY 1 ORDER BY 2 DESC LIMIT 50',
    ),
    sql(
      'SELECT avg(total), percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders WHERE region_id = {d}',
    ),
    sql("EXPLAIN ANALYZE SELECT * FROM events WHERE kind = 'click' AND at > now() - interval '{d} hours'"),
    sql('SELECT * FROM events LIMIT 10', "SELECT count(DISTINCT visitor) FROM events WHERE kind = 'view'"),
    sql(
      "WITH w AS (SELECT customer_id, min(created_at) f FROM orders GROUP BY 1) SELECT count(*) FROM w WHERE f > now() - interval '{d} days'",
    ),
    sql("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders'"),
    sql(
      "CREATE TEMP TABLE t AS SELECT * FROM orders WHERE created_at > now() - interval '7 days'",
      'SELECT count(*) FROM t',
    ),
    sql('SELECT * FROM campaigns WHERE id = {n}', 'SELECT * FROM campaign_costs WHERE campaign_id = {n}'),
    sql('REFRESH MATERIALIZED VIEW daily_sales', 'SELECT * FROM daily_sales ORDER BY day DESC LIMIT 30'),
    sql('SELECT r.name, count(*) FROM returns t JOIN return_reasons r ON r.id = t.reason_id GROUP BY 1'),
    sql(
      "COPY (SELECT day, total FROM daily_sales WHERE day > now() - interval '31 days') TO STDOUT WITH CSV HEADER",
    ),
    sql(
      'INSERT INTO forecasts (day, value) VALUES (now(), {n})',
      'SELECT * FROM forecasts ORDER BY day DESC LIMIT 5',
    ),
    ssh('python3 report.py --month {d}', 'ls -l out', 'head -n 5 out/report.csv'),
    ssh('jupyter nbconvert --to html sales.ipynb', 'ls -lt'),
  ],
  dba: [
    sql("SELECT pid, state, query FROM pg_stat_activity WHERE state <> 'idle' ORDER BY query_start"),
    sql(
      'SELECT relname, n_dead_tup FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 20',
      'VACUUM ANALYZE orders',
    ),
    sql('SELECT query, calls, mean_exec_time FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 20'),
    sql(
      'SELECT pg_size_pretty(pg_database_size(current_database()))',
      'SELECT relname, pg_relation_size(oid) FROM pg_class ORDER BY 2 DESC LIMIT 20',
    ),
    sql(
      'EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM orders WHERE customer_id = {n}',
      'CREATE INDEX CONCURRENTLY idx_{n} ON orders (customer_id)',
    ),
    sql('SELECT * FROM pg_locks WHERE NOT granted', 'SELECT pg_blocking_pids({n})'),
    sql(
      'SHOW max_connections',
      'SHOW work_mem',
      "SELECT name, setting FROM pg_settings WHERE name LIKE 'autovacuum%'",
    ),
    sql('SELECT slot_name, active FROM pg_replication_slots', 'SELECT * FROM pg_stat_replication'),
    sql('ALTER TABLE orders ADD COLUMN note{n} text', "COMMENT ON COLUMN orders.note{n} IS 'x'"),
    sql('SELECT pg_cancel_backend({n})'),
    sql(
      'GRANT SELECT ON daily_sales TO analysts',
      "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name = 'daily_sales'",
    ),
    sql('REINDEX INDEX CONCURRENTLY idx_{n}'),
    sql('DROP TABLE tmp_import_{n}', 'SELECT count(*) FROM orders'),
    ssh(
      'sudo -u postgres pg_isready',
      'df -h /var/lib/postgresql',
      'tail -n 50 /var/log/postgresql/postgresql.log',
    ),
    ssh('vim /etc/postgresql/18/main/postgresql.conf', 'sudo systemctl reload postgresql'),
    ssh('pgbackrest info', 'pgbackrest check --stanza=main'),
  ],
}

/** What whoever is on call does at night. */
export const nightTasks: readonly Task[] = [
  ssh('uptime', 'journalctl -p err -S -1h --no-pager', 'systemctl --failed'),
  ssh(
    'systemctl status {service}',
    'journalctl -u {service} -n 300 --no-pager',
    'sudo systemctl restart {service}',
  ),
  ssh('df -h', 'du -xsh /var/log/* | sort -h | tail', 'sudo truncate -s 0 /var/log/{service}/debug.log'),
  ssh('top -b -n 1 | head -n 30', 'ss -tn state established | wc -l', 'curl -sI https://{host}/health'),
  ssh('ps aux --sort=-%cpu | head', 'free -m', 'dmesg | tail -n 30'),
]

export const targetsOf: Readonly<Record<Role, readonly string[]>> = {
  platform: ['web1', 'web2', 'web3', 'build1', 'proxy1', 'db1-host'],
  web: ['web1', 'web2', 'web3', 'shop-db'],
  data: ['warehouse', 'shop-replica', 'notebook1'],
  dba: ['shop-db', 'warehouse', 'hr-db', 'db1-host'],
}

/** Targets of databases; everything else is a machine. */
export const isDatabase = (target: string): boolean =>
  ['shop-db', 'warehouse', 'hr-db', 'shop-replica'].includes(target)

export const services = ['shop', 'search', 'mailer', 'billing', 'gateway', 'images']
export const hosts = ['shop.example.net', 'search.example.net', 'api.example.net', 'cdn.example.net']
export const colleagues = ['ada', 'ben', 'cleo', 'dan', 'eve', 'finn']
