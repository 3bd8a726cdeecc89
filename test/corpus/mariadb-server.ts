/** A MariaDB server for recordings: made, started and stopped, as an unprivileged user where we are root, reached through a socket alone. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export type MariadbServer = { readonly socket: string; readonly stop: () => Promise<void> }

/** Of the user `app`, who may do anything in the database `shop`; `root` needs none. */
export const appPassword = 'password-of-the-app'

const startTimeoutMs = 60_000
const start = `
create database shop;
create table shop.orders (id int primary key, item varchar(30), price int);
insert into shop.orders values (1, 'apples', 3), (2, 'pears', 4), (3, 'it''s a plum', 5);
create user app@localhost identified by '${appPassword}';
grant all on shop.* to app@localhost;
`

/** Throws with the end of its log where it does not start. */
export async function startMariadbServer(): Promise<MariadbServer> {
  const folder = mkdtempSync(join(tmpdir(), 'corpus-mariadb-'))
  const who = unprivileged()
  const [data, socket] = [join(folder, 'data'), join(folder, 'socket')]
  mkdirSync(data)
  for (const path of [folder, data]) if (who !== undefined) chownSync(path, who.uid, who.gid)
  chmodSync(folder, 0o755)
  const options = { ...who, cwd: folder, env: { PATH: paths } }
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal']
  const made = spawnSync('mariadb-install-db', [...install, '--skip-test-db'], options)
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr.toString()}`)
  const served = ['--no-defaults', `--datadir=${data}`, `--socket=${socket}`, '--skip-networking']
  const server = spawn('mariadbd', [...served, `--pid-file=${join(folder, 'pid')}`], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  server.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-2000)))
  const exited = once(server, 'exit')
  for (let ms = 0; !existsSync(socket); ms += 50) {
    if (ms > startTimeoutMs || server.exitCode !== null) throw new Error(`mariadbd: ${log}`)
    await wait(50)
  }
  const filled = spawnSync('mariadb', ['--no-defaults', `--socket=${socket}`, '-u', 'root'], { input: start })
  if (filled.status !== 0) throw new Error(`mariadb: ${filled.stderr.toString()}`)
  const stop = async () => {
    server.kill()
    await exited
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  return { socket, stop }
}

const paths = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Undefined where we are not root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8').split('\n')
  const nobody = line.find(entry => entry.startsWith('nobody:')) ?? 'nobody:x:65534:65534'
  const [, , uid, gid] = nobody.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}
