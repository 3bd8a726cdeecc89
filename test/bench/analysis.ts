/** What the analysis costs: lines and statements through the rules, events through the baselines, screens through the reader. CPU time, one core. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Baseline } from '../../src/analysis/baseline/baseline.ts'
import type { ActivityEvent } from '../../src/analysis/baseline/event.ts'
import type { Entry } from '../../src/analysis/entry.ts'
import { type Catalogue, readCatalogue } from '../../src/analysis/rules/catalogue.ts'
import { WindowRules } from '../../src/analysis/rules/window-rules.ts'
import { parseText, ready } from '../../src/analysis/sql/parse.ts'
import { Transcript } from '../../src/analysis/transcript/transcript.ts'
import type { EventRecord, ReadEvent } from '../../src/recorder/event.ts'
import { simulateCompany } from '../support/activity.ts'
import { simulateQuarter } from '../simulation/quarter.ts'
import { median } from './measurement.ts'
import { workOf } from './terminal-work.ts'

export const analysisGroups = ['rules', 'statements', 'baseline', 'transcript', 'backtest'] as const
export type AnalysisGroup = (typeof analysisGroups)[number]

export type AnalysisOptions = {
  readonly rounds: number
  /** Events of the backtest. */
  readonly events: number
  readonly only: readonly AnalysisGroup[]
}

export type AnalysisMeasurement = { readonly what: string; readonly unit: string; readonly value: number }

/** Typical lines: a quarter's work of twenty people. */
const weeks = 4
const root = join(import.meta.dirname, '../..')

export async function benchAnalysis({
  rounds,
  events,
  only,
}: AnalysisOptions): Promise<AnalysisMeasurement[]> {
  const measured: AnalysisMeasurement[] = []
  const add = (what: string, unit: string, value: number): void => void measured.push({ what, unit, value })
  const { lines, statements } = texts()
  if (only.includes('rules')) {
    add(
      'lines seen for the first time, through all rules of lines',
      'lines/s',
      perSecond(rounds, newLines(lines)),
    )
    add('lines seen before', 'lines/s', perSecond(rounds, repeatedLines(lines)))
    add('rules over several entries, beside', 'entries/s', perSecond(rounds, windowed(lines)))
  }
  if (only.includes('statements')) {
    await ready
    add(
      'statements of a new shape, through grammar and rules',
      'statements/s',
      perSecond(rounds, newStatements(statements)),
    )
    add(
      'statements whose reading is known, through the rules',
      'statements/s',
      perSecond(rounds, knownStatements(statements)),
    )
  }
  if (only.includes('baseline')) {
    const usual = usualEvents(lines)
    add(
      'events through the baselines, commands as people type them',
      'events/s',
      perSecond(rounds, baselined(usual)),
    )
    const short = simulateCompany({ seed: 7, people: 50, blocks: 60, trainingBlocks: 25 }).events
    add('events through the baselines, one word each', 'events/s', perSecond(rounds, baselined(short)))
    add(
      'events through the baselines, every line new and with a new word',
      'events/s',
      perSecond(rounds, baselined(newEvents(usual))),
    )
  }
  if (only.includes('transcript'))
    add('screens of interactive work, read', 'MB/s', perSecond(rounds, transcribed()) / 1e6)
  if (only.includes('backtest'))
    add(`backtest of ${events} events, the whole command`, 's of CPU', backtestSeconds(lines, events))
  return measured
}

export function tableOfAnalysis(measured: readonly AnalysisMeasurement[]): string {
  const number = (value: number): string =>
    value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
  return [
    '| what | on one core | unit |',
    '|---|---|---|',
    ...measured.map(({ what, unit, value }) => `| ${what} | ${number(value)} | ${unit} |`),
  ].join('\n')
}

/** How much was done in one go. */
type Work = () => number

/** Median over rounds, of CPU time (user and system); the first round warms up and does not count. */
function perSecond(rounds: number, work: Work): number {
  const speeds: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage()
    const count = work()
    const { user, system } = process.cpuUsage(before)
    if (round > 0) speeds.push(count / ((user + system) / 1e6))
  }
  return median(speeds)
}

function texts(): { lines: string[]; statements: string[] } {
  const { sessions } = simulateQuarter({ seed: 5, weeks })
  const all = sessions.flatMap(session => session.lines)
  return {
    lines: all.filter(({ kind }) => kind === 'command').map(({ text }) => text),
    statements: all.filter(({ kind }) => kind === 'statement').map(({ text }) => text),
  }
}

let unique = 0

/** Each line differs from all before, so that nothing is remembered. */
function newLines(lines: readonly string[]): Work {
  const catalogue = readCatalogue()
  return () => {
    for (const line of lines) catalogue.ofLine(`${line} x${unique++}`)
    return lines.length
  }
}

function repeatedLines(lines: readonly string[]): Work {
  const catalogue = readCatalogue()
  return () => {
    for (let time = 0; time < 10; time++) for (const line of lines) catalogue.ofLine(line)
    return lines.length * 10
  }
}

/** Lines are known, so that this is what windows cost. */
function windowed(lines: readonly string[]): Work {
  const catalogue = readCatalogue()
  return () => {
    const windows = new WindowRules(catalogue)
    for (const [number, text] of lines.entries()) windows.take(entryOf(number, text), [])
    return lines.length
  }
}

function entryOf(number: number, text: string): Entry {
  const atMs = number * 15_000
  return { session: 's', number, kind: 'command', atMs, offsetMs: atMs, text }
}

function newStatements(statements: readonly string[]): Work {
  const catalogue = readCatalogue()
  const part = statements.slice(0, 20_000)
  return () => {
    for (const text of part) {
      const fresh = `${text} /* ${unique++} */`
      catalogue.ofStatement(fresh, parseText(fresh))
    }
    return part.length
  }
}

function knownStatements(statements: readonly string[]): Work {
  const catalogue: Catalogue = readCatalogue()
  const known = statements.slice(0, 5000).map(text => ({ text, analysis: parseText(text) }))
  return () => {
    for (let time = 0; time < 10; time++)
      for (const { text, analysis } of known) catalogue.ofStatement(text, analysis)
    return known.length * 10
  }
}

function usualEvents(lines: readonly string[]): ActivityEvent[] {
  return Array.from({ length: 300_000 }, (_, at) => ({
    principal: `person${at % 50}`,
    target: `web${at % 7}`,
    protocol: 'ssh',
    atMs: at * 2000,
    text: lines[(at * 7 + (at % 50) * 311) % lines.length] ?? '',
  }))
}

/** What is remembered of lines never helps. */
function newEvents(events: readonly ActivityEvent[]): ActivityEvent[] {
  return events.slice(0, 100_000).map((event, at) => ({ ...event, text: `${event.text} x${at}` }))
}

function baselined(events: readonly ActivityEvent[]): Work {
  return () => {
    const baseline = new Baseline({ blockEvents: 100 })
    for (const event of events) baseline.observe(event, false)
    return events.length
  }
}

/** Half an hour of somebody's work at a terminal, in bytes. */
function transcribed(): Work {
  const records = [...recordsOfWork()]
  const bytes = records.reduce((sum, { event }) => sum + ('data' in event ? event.data.length : 0), 0)
  return () => {
    const transcript = new Transcript()
    for (const record of records) transcript.take(record)
    transcript.end()
    return bytes
  }
}

function* recordsOfWork(): Generator<EventRecord> {
  let us = 0
  let sequence = 0
  const record = (event: ReadEvent): EventRecord => ({ us, sequence: ++sequence, event })
  const told = (type: string, fields: Readonly<Record<string, unknown>>): EventRecord =>
    record({ type, fields: { type, channel: 0, ...fields } })
  yield told('pty', { term: 'xterm-256color', columns: 80, rows: 24 })
  yield told('shell', {})
  for (const { afterMs, bytes, typed } of workOf(0.5)) {
    us += afterMs * 1000
    if (typed !== undefined) yield told('input-count', { bytes: typed })
    if (bytes !== undefined) yield record({ type: 'output', channel: 0, data: bytes })
  }
}

/** The whole command, with starting, reading the file and printing. */
function backtestSeconds(lines: readonly string[], count: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const file = join(folder, 'events.ndjson')
    const events = Array.from({ length: count }, (_, at) =>
      JSON.stringify({
        principal: `person${at % 50}`,
        target: `web${at % 7}`,
        protocol: 'ssh',
        at: at * 2000,
        text: lines[(at * 7 + (at % 50) * 311) % lines.length],
      }),
    )
    writeFileSync(file, events.join('\n'))
    const program = join(root, 'bin/sallyport.js')
    const script = `set -e; ${process.execPath} ${program} backtest --events ${file} --json > /dev/null; times`
    const told = execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    return childSeconds(told)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** bash's `times`: the second line is of its children, user and system. */
function childSeconds(told: string): number {
  return [...(told.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  )
}
