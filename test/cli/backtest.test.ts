import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { simulateCompany } from '../support/activity.ts'

const program = join(import.meta.dirname, '../../bin/sallyport.js')
const company = simulateCompany({ seed: 3, people: 6, blocks: 12, trainingBlocks: 8 })
let folder: string

type Answer = { readonly code: number; readonly out: string; readonly err: string }

function backtest(...options: string[]): Promise<Answer> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [program, 'backtest', ...options],
      { maxBuffer: 1e8, cwd: folder, env: { PATH: process.env['PATH'] } },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    )
  })
}

function file(name: string, lines: readonly unknown[]): string {
  const path = join(folder, name)
  writeFileSync(path, lines.map(line => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
  return path
}

const line = { principal: 'ada', target: 'web1', protocol: 'ssh', at: 1, text: 'ls' }
const lines = company.events.map(({ atMs, ...event }) => ({ ...event, at: atMs }))

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-backtest-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('refuses, with the line and what it should look like,', () => {
  test.each([
    ['what is not JSON', ['{"principal":'], 'Line 1 of the events: it is not JSON'],
    ['what is no object', [line, 'null'], 'Line 2 of the events: it is not an object'],
    ['an instant that is no number', [{ ...line, at: '2026' }], '"at" must be a number of milliseconds'],
    ['an event without a person', [{ ...line, principal: undefined }], '"principal" must be a text'],
  ])('%s', async (_, content, message) => {
    const { code, err, out } = await backtest('--events', file('bad.ndjson', content), '--json')
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(message)
    expect(err).toContain('{"principal": "ada"')
  })

  test.each([
    ['a file that is not there', ['--events', 'nowhere.ndjson'], 'cannot be read'],
    ['a block of nothing', ['--events', '-', '--block', '0'], '--block must be a whole number'],
    [
      'an instant that is none',
      ['--events', '-', '--train-until', 'soon'],
      '--train-until must be an instant',
    ],
  ])('%s', async (_, options, message) => {
    const { code, err } = await backtest(...options)
    expect(code).toBe(1)
    expect(err).toContain(message)
  })
})

test('prints one object for each person and block, in order of time whatever the order of the lines', async () => {
  const until = String(company.trainUntilMs)
  const sorted = await backtest('--events', file('a.ndjson', lines), '--train-until', until, '--json')
  const mixed = await backtest(
    '--events',
    file('b.ndjson', lines.toReversed()),
    '--train-until',
    until,
    '--json',
  )
  const blocks = sorted.out
    .trimEnd()
    .split('\n')
    .map(text => JSON.parse(text) as Record<string, unknown>)
  expect(blocks.map(({ principal, block }) => `${String(principal)} ${String(block)}`).toSorted()).toEqual(
    Array.from({ length: 6 }, (_, person) =>
      Array.from({ length: 12 }, (__, block) => `person${person} ${block}`),
    )
      .flat()
      .toSorted(),
  )
  for (const { score, terms } of blocks) {
    expect(score).toBeTypeOf('number')
    expect(terms).toBeInstanceOf(Array)
  }
  expect(mixed.out).toBe(sorted.out)
})

test('takes another size of block, and prints for people what it prints for scripts', async () => {
  const { out } = await backtest('--events', file('c.ndjson', lines), '--block', '300')
  expect(out.match(/^person0 block \d+ from 2026-01-0\dT\d\d:\d\d  score -?\d+\.\d\d$/gm)).toHaveLength(4)
})

describe('--each', () => {
  const events = [
    { ...line, at: 2, text: 'sudo cat /etc/shadow' },
    { ...line, at: 1, text: 'ls' },
    { ...line, at: 3, protocol: 'postgres', text: "COPY t FROM PROGRAM 'id'" },
    { ...line, at: 4, text: 'reboot; echo \u001B[2J\u202E' },
  ]

  test('prints one object for each event with the rules that it meets, in order of time', async () => {
    const { out } = await backtest('--events', file('each.ndjson', events), '--each', '--json')
    const answers = out
      .trimEnd()
      .split('\n')
      .map(
        text =>
          JSON.parse(text) as { at: number; rules: { id: string; severity: string; technique: string[] }[] },
      )
    expect(answers.map(({ at }) => at)).toEqual([1, 2, 3, 4])
    expect(answers.map(({ rules }) => rules.map(({ id }) => id))).toEqual([
      [],
      ['SSH-16'],
      ['PG-01'],
      expect.arrayContaining(['SSH-20']),
    ])
    expect(answers[2]?.rules).toEqual([{ id: 'PG-01', severity: 'critical', technique: ['T1059'] }])
  })

  test('prints for people only what meets a rule, and nothing that acts on a terminal', async () => {
    const { out } = await backtest('--events', file('each.ndjson', events), '--each')
    expect(out).not.toContain(' ls\n')
    expect(out).toContain('SSH-16 high')
    expect(out).not.toMatch(/[\u001B\u202E]/)
  })

  describe('tells rules over several events', () => {
    const minute = 60_000
    const idsOf = async (name: string, history: readonly unknown[]): Promise<string[][]> => {
      const { out } = await backtest('--events', file(name, history), '--each', '--json')
      return out
        .trimEnd()
        .split('\n')
        .map(text => (JSON.parse(text) as { rules: { id: string }[] }).rules.map(({ id }) => id))
    }
    const fetched = { ...line, text: 'curl -o /tmp/x.sh https://example.net/x.sh' }
    const run = { ...line, text: 'bash /tmp/x.sh' }

    test('of one session, with the event that completes them', async () => {
      const [, second] = await idsOf('w1.ndjson', [fetched, { ...run, at: minute }])
      expect(second).toContain('SSH-11b')
    })

    test('and none of two: other people, other targets, other names, and what came hours later', async () => {
      for (const [at, other] of [
        { principal: 'bob', at: minute },
        { target: 'web2', at: minute },
        { session: 'b', at: minute },
        { at: 3 * 60 * minute },
      ].entries()) {
        const [, second] = await idsOf(`w2-${at}.ndjson`, [fetched, { ...run, ...other }])
        expect(second, JSON.stringify(other)).not.toContain('SSH-11b')
      }
    })

    test('of one person over many sessions', async () => {
      const pages = Array.from({ length: 24 }, (_, page) => ({
        ...line,
        protocol: 'postgres',
        at: page * 8 * 60 * minute,
        text: `SELECT * FROM customers ORDER BY id LIMIT 1000 OFFSET ${page * 1000}`,
      }))
      expect((await idsOf('w3.ndjson', pages)).map(ids => ids.includes('B-04'))).toEqual([
        ...Array<boolean>(23).fill(false),
        true,
      ])
    })
  })

  test('takes rules of one’s own', async () => {
    const { out, code, err } = await backtest(
      '--events',
      file('each.ndjson', events),
      '--each',
      '--json',
      '--rules',
      folder,
    )
    expect([code, err]).toEqual([0, ''])
    expect(out.match(/"rules":\[\]/g)).toHaveLength(4)
  })
})
