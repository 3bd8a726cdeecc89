import { expect, test } from 'vitest'
import { LineRedactor, redact, redactStatement } from '../../../src/analysis/analyst/redact.ts'
import { mayHoldSecret, secretForms } from '../../../src/analysis/analyst/secret-forms.ts'

/** At random, without a hint: what finds it is what stands around it. */
const secret = 'qVkTrmWxjDnhYbGfLcuBzoJe'
const capitals = secret.toUpperCase()
const hexadecimal = '4f1c9b07e62da5835c90b1f7a3d84e26'

/** By form, texts with a secret. */
const examples: Readonly<Record<string, readonly string[]>> = {
  'a private key': [`-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}\n-----END OPENSSH PRIVATE KEY-----`],
  'scheme://user:password@': [`amqp://app:${secret}@mq1/x`],
  'scheme://token@': [`git clone https://${secret}@git.example.com/x.git`],
  'NAME_TOKEN=…, "password": "…", password: …': [
    `export MY_TOKEN=${secret}`,
    `DB_PASS=${secret} ./run`,
    `db_password: ${secret}`,
    `"client_secret": "${secret}"`,
    `api-key: ${secret}`,
    `ACCESS_KEY=${secret}`,
    `private_key=${secret}`,
    `credentials: ${secret}`,
    `passphrase: ${secret}`,
  ],
  'Pwd=… of a connection string': [`Server=db;Uid=sa;Pwd=${secret};`],
  '--password …, --token=…, -pw …': [
    `run --password ${secret}`,
    `run --auth-token=${secret}`,
    `run --api-key ${secret}`,
    `plink -ssh root@web1 -pw ${secret} uptime`,
  ],
  '--requirepass …': [`redis-server --requirepass ${secret}`],
  '/p:…, /pass:…': [
    `xfreerdp /u:ada /p:${secret} /v:win1`,
    `xfreerdp /u:ada /gp:${secret} /v:win1`,
    `cmdkey /add:win1 /pass:${secret}`,
  ],
  'mysql -p': [`mysql -u root -p${secret} shop`, `mariadb-dump -p${secret} shop`],
  'docker -p': [
    `sshpass -p ${secret} ssh root@web1`,
    `docker login -u ada -p ${secret}`,
    `podman login -u ada -p ${secret}`,
    `helm registry login -u ada -p ${secret} r.example.com`,
    `mongosh -u ada -p ${secret}`,
    `az login -u ada -p ${secret}`,
  ],
  'redis-cli -a': [`redis-cli -a ${secret} ping`],
  'ldapsearch -w': [`ldapsearch -x -D cn=admin -w ${secret} -b dc=x`],
  'sqlcmd -P': [
    `sqlcmd -S db -U sa -P ${secret}`,
    `bcp t out f -S db -U sa -P ${secret}`,
    `ipmitool -H bmc1 -U admin -P ${secret} power status`,
    `isql -S db -U sa -P ${secret}`,
    `zip -P ${secret} x.zip x`,
    `unzip -P ${secret} x.zip`,
  ],
  '7z -p': [`7z a -p${secret} x.7z x`, `7za x -p${secret} x.7z`],
  'snmpwalk -A': [`snmpwalk -v3 -u ada -A ${secret} sw1`, `snmpget -v2c -c ${secret} sw1 sysName.0`],
  'htpasswd -b': [`htpasswd -b /etc/users ada ${secret}`],
  'openssl -k': [`openssl enc -aes-256-cbc -k ${secret} -in x`, `openssl rsa -passin pass:${secret} -in k`],
  'smbclient -U user%…': [`smbclient //nas/share -U ada%${secret}`],
  'curl -u user:…': [
    `curl -u ada:${secret} host`,
    `wget --user=ada:${secret} host`,
    `http -a bob:${secret} host`,
    `https -a bob:${secret} host`,
  ],
  'vault login …': [`vault login ${secret}`, `aws configure set aws_secret_access_key ${secret}`],
  'echo … | sudo -S, echo user:… | chpasswd': [
    `echo ${secret} | sudo -S apt update`,
    `echo ${secret} | sudo -kS apt update`,
    `echo ${secret} | sudo -u app -S id`,
    `echo ${secret} | sudo --stdin id`,
    `printf ${secret} | su root`,
    `echo root:${secret} | chpasswd`,
    `echo ${secret} | passwd root`,
    `echo ${secret} | docker login`,
    `echo ${secret} | podman login`,
    `echo ${secret} | gh auth login`,
    `echo ${secret} | openssl passwd`,
  ],
  'Authorization: …': [`Authorization: ${secret}`],
  'Bearer …': [`Bearer ${secret}`],
  'Basic …': [`Basic ${secret}`],
  'Cookie: …': [`Cookie: ${secret}`, `set-cookie: ${secret}`],
  'IDENTIFIED BY …': [`create user x identified by '${secret}'`],
  'PASSWORD … where quotes of a shell stand around it': [`psql -c "alter role x password '${secret}'"`],
  'a key of AWS': [`AKIA${capitals.slice(0, 16)}`, `ASIA${capitals.slice(0, 16)}`],
  'a JWT': [`eyJ${secret}.${secret}.${secret}`],
  'a token of a vendor': [
    'ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xoxb- sk_live_ rk_live_ AIza ya29. hvs. npm_ pypi- dop_v1_',
    'AGE-SECRET-KEY-1',
  ].flatMap(prefixes => prefixes.split(' ').map(prefix => `${prefix}${secret}`)),
  'a SCRAM verifier': [`SCRAM-SHA-256$4096:${secret}`],
  'a hash of crypt': ['1', '2b', '5', '6', '7', 'y', 'gy', 'argon2id', 'argon2i', 'argon2d', 'apr1'].map(
    kind => `root:$${kind}$${secret}`,
  ),
  'a hash of PostgreSQL': [`md5${hexadecimal}`],
}

test('the secret of these tests is found by nothing in itself', () => {
  expect(mayHoldSecret(secret)).toBe(false)
  expect(mayHoldSecret(hexadecimal)).toBe(false)
})

test('there are examples of each form, and no others', () => {
  expect(Object.keys(examples).toSorted()).toEqual(secretForms.map(({ name }) => name).toSorted())
})

test.each(secretForms.flatMap(form => (examples[form.name] ?? []).map(text => ({ text, form }))))(
  'a form is found by itself, and its own hints reach it: $text',
  ({ text, form: { hints, find } }) => {
    expect(text.match(find)).not.toBeNull()
    expect(hints.filter(hint => new RegExp(hint, 'i').test(text))).not.toEqual([])
    const shown = redact(text)
    for (const part of [secret, capitals.slice(0, 16), hexadecimal]) expect(shown).not.toContain(part)
    expect(shown).toContain('[redacted]')
  },
)

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
  'dotnet publish /p:Configuration=Release',
  'GET /index.html HTTP/1.1 200 -a b:c',
  'the basic structure of Basic Authentication, and BASIC PROGRAMMING',
  'echo done | sudo tee /etc/x',
  'printf x | sudo sort -S 1G',
  'unzip -l x.zip',
  'http -v example.com',
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
  `echo x | sudo ${'-u a '.repeat(50_000)}`,
  'echo x|sudo -u a '.repeat(20_000),
  `basic ${'a'.repeat(100_000)}`,
])('a hostile text is done with before anybody notices', text => {
  expect(redact(text.repeat(4)).length).toBeGreaterThan(0) // the test's own limit ends what is not linear
})
