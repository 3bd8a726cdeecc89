/** The account that the demo's shells run in: never root, with a home that is thrown away. */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Account = {
  /** Undefined where the demo itself runs unprivileged: then its own user is used. */
  readonly ids: { readonly uid: number; readonly gid: number } | undefined
  readonly home: string
  readonly shell: string
  readonly remove: () => void
}

/** `nobody` and `nogroup` on every Linux. */
const nobody = { uid: 65534, gid: 65534 }

const files = {
  'README.txt':
    'This is the demo target. Nothing here has an account for you: the gateway let you in for this session.\n',
  'app/config.ini': '[server]\nlisten = 127.0.0.1:8080\nworkers = 4\n',
  'app/app.log': [
    '2026-01-05T08:00:01Z INFO  started, 4 workers',
    '2026-01-05T08:14:37Z WARN  slow request GET /orders 1.8 s',
    '2026-01-05T09:02:11Z ERROR upstream timed out: payments',
    '2026-01-05T09:02:12Z INFO  retry succeeded: payments',
    '',
  ].join('\n'),
}

/** Under /var/tmp, since the checkout may lie where only root can read. */
export function makeAccount(): Account {
  const base = existsSync('/var/tmp') ? '/var/tmp' : '/tmp'
  const home = mkdtempSync(join(base, 'sallyport-demo-home-'))
  const ids = process.getuid?.() === 0 ? nobody : undefined
  const paths = [home, join(home, 'app'), ...Object.keys(files).map(name => join(home, name))]
  mkdirSync(join(home, 'app'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
  chmodSync(home, 0o700)
  if (ids !== undefined) for (const path of paths) chownSync(path, ids.uid, ids.gid)
  const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
  return { ids, home, shell, remove: () => rmSync(home, { recursive: true, force: true }) }
}

/** Nothing of the gateway's own environment reaches the demo's shells. */
export function environmentOf(account: Account, login: string, term: string): Record<string, string> {
  return {
    HOME: account.home,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    SHELL: account.shell,
    LANG: 'C.UTF-8',
    TERM: term,
    USER: login,
    LOGNAME: login,
    PS1: `${login}@web1:\\w\\$ `,
  }
}
