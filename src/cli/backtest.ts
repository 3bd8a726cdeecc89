/** `sallyport backtest`: scores a history of commands and statements as the gateway would have scored it at the time. */
import type { Command } from 'commander'
import { Baseline, type ScoredBlock } from '../analysis/baseline/baseline.ts'
import type { ActivityEvent } from '../analysis/baseline/event.ts'
import { type HistoryEvent, readHistory } from '../analysis/history.ts'
import { HistoryRules } from '../analysis/history-rules.ts'
import { type Catalogue, readCatalogue, type RuleHit } from '../analysis/rules/catalogue.ts'
import { Grammar } from '../analysis/sql/grammar.ts'
import { Fault } from '../errors.ts'
import { terminalSafe } from '../recorder/terminal-safe.ts'

type BacktestOptions = {
  events: string
  trainUntil?: string
  block: string
  json?: true
  each?: true
  rules?: string
}

/** Fewer events than this say too little. */
const minBlockEvents = 1
const maxBlockEvents = 10_000

export function addBacktest(program: Command): void {
  program
    .command('backtest')
    .description(
      'score a history of commands and statements, in order of time; needs no gateway and no configuration',
    )
    .requiredOption(
      '--events <file>',
      'NDJSON: principal, target, protocol, at (ms), text, and with --each session; "-" for standard input',
    )
    .option('--train-until <time>', "up to then the history is people's own: ISO 8601, or ms since 1970")
    .option('--block <n>', 'events that are scored together', '100')
    .option(
      '--each',
      'one object for each event, with the rules that it meets, or completes with those before it',
    )
    .option('--rules <folder>', 'rules of your own instead of ours')
    .option('--json', 'one object a line')
    .action(async (options: BacktestOptions) => {
      const blockEvents = wholeNumber(options.block)
      const trainUntilMs = options.trainUntil === undefined ? undefined : instantOf(options.trainUntil)
      const events = await readHistory(options.events)
      if (options.each === true) return each(events, readCatalogue(options.rules), options.json === true)
      const print = options.json === true ? json : table
      for (const scored of backtest(events, blockEvents, trainUntilMs)) await write(`${print(scored)}\n`)
    })
}

/** Events in order of time, each with the rules that it meets or completes. */
async function each(events: readonly HistoryEvent[], catalogue: Catalogue, isJson: boolean): Promise<void> {
  const grammar = new Grammar()
  const judged = new HistoryRules(catalogue, grammar)
  try {
    for (const event of events) {
      const rules = await judged.of(event)
      const { atMs, ...rest } = event
      if (isJson) await write(`${JSON.stringify({ ...rest, at: atMs, rules })}\n`)
      else if (rules.length > 0) await write(`${line(event, rules)}\n`)
    }
  } finally {
    await grammar.close()
  }
}

function line({ principal, target, atMs, text }: ActivityEvent, rules: readonly RuleHit[]): string {
  const when = new Date(atMs).toISOString().slice(0, 19)
  const hits = rules.map(({ id, severity, technique }) => `${id} ${severity} ${technique.join(' ')}`)
  const told = [when, principal, target, text].map(part => terminalSafe(part, { oneLine: true }))
  return [told.join('  '), ...hits].join('\n    ')
}

/** Blocks in the order in which they were filled, and at the end those that were not. */
function* backtest(
  events: readonly ActivityEvent[],
  blockEvents: number,
  trainUntilMs: number | undefined,
): Generator<ScoredBlock> {
  const baseline = new Baseline({ blockEvents })
  const isTraining = (atMs: number): boolean => trainUntilMs !== undefined && atMs <= trainUntilMs
  for (const event of events) {
    const scored = baseline.observe(event, isTraining(event.atMs))
    if (scored !== undefined) yield scored
  }
  yield* baseline.rest(isTraining(events.at(-1)?.atMs ?? 0))
}

function json({ fromMs, toMs, ...scored }: ScoredBlock): string {
  return JSON.stringify({ ...scored, from: fromMs, to: toMs })
}

function table({ principal, block, score, fromMs, terms }: ScoredBlock): string {
  const from = new Date(fromMs).toISOString().slice(0, 16)
  const why = terms.map(
    ({ text, nats }) => `    +${nats.toFixed(2)}  ${terminalSafe(text, { oneLine: true })}`,
  )
  return [
    `${terminalSafe(principal, { oneLine: true })} block ${block} from ${from}  score ${score.toFixed(2)}`,
    ...why,
  ].join('\n')
}

async function write(text: string): Promise<void> {
  if (process.stdout.write(text)) return
  await new Promise<void>(resolve => process.stdout.once('drain', () => resolve()))
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= minBlockEvents && number <= maxBlockEvents) return number
  throw new Fault(
    'CONFIG_INVALID',
    `--block must be a whole number from ${minBlockEvents} to ${maxBlockEvents}, not "${text}".`,
  )
}

function instantOf(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isNaN(ms)) return ms
  throw new Fault(
    'CONFIG_INVALID',
    `--train-until must be an instant such as 2026-01-05T14:00:00Z or 1767621600000, not "${text}".`,
  )
}
