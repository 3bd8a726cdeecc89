/** Entries of a session as the analysis sees them, from a few words. */
import { parseDuration } from '../../src/config/units.ts'
import type { Entry, EntryHit } from '../../src/analysis/entry.ts'
import type { Catalogue, RuleHit } from '../../src/analysis/rules/catalogue.ts'
import type { ExampleEntry } from '../../src/analysis/rules/window-rule.ts'
import type { Grammar } from '../../src/analysis/sql/grammar.ts'

const usualGapMs = 10_000

type Described = Exclude<ExampleEntry, string>

/** The entries of an example, each told to `take` in turn. */
export async function entriesOf(
  example: readonly ExampleEntry[],
  protocol: 'ssh' | 'postgres',
  grammar: Grammar,
): Promise<Entry[]> {
  const entries: Entry[] = []
  let atMs = Date.UTC(2026, 0, 5, 9)
  for (const item of example) {
    const one: Described =
      typeof item !== 'string' ? item : protocol === 'ssh' ? { command: item } : { statement: item }
    for (let time = 1; time <= (one.times ?? 1); time++) {
      const gap = one.after === undefined ? undefined : parseDuration(one.after)
      atMs += gap?.ok === true ? gap.value : usualGapMs
      entries.push(await entryOf(one, { number: entries.length, atMs, time }, grammar))
    }
  }
  return entries
}

async function entryOf(
  one: Described,
  { number, atMs, time }: { number: number; atMs: number; time: number },
  grammar: Grammar,
): Promise<Entry> {
  const text = (one.command ?? one.statement ?? one.file ?? '').replaceAll('#', String(time))
  const common = { session: 's1', number, atMs, offsetMs: atMs - Date.UTC(2026, 0, 5, 9), text }
  if (one.file !== undefined)
    return {
      ...common,
      kind: 'file',
      file: { operation: one.operation ?? 'open', ...given(one, ['direction', 'bytes']) },
    }
  if (one.statement === undefined)
    return {
      ...common,
      kind: 'command',
      command: {
        channel: 0,
        found: 'exec',
        sure: 1,
        ...(one.exit === undefined ? {} : { exitStatus: one.exit }),
        ...given(one, ['blocked']),
      },
    }
  const { facts } = await grammar.analyse(text)
  return {
    ...common,
    kind: 'statement',
    statement: {
      statement: number,
      class: facts.class,
      ...(facts.fingerprint === undefined ? {} : { fingerprint: facts.fingerprint }),
      tables: facts.tables.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`)),
      ...given(one, ['rows', 'affected', 'bytes', 'sqlstate', 'blocked']),
    },
  }
}

type Given<Key extends keyof Described> = { [Each in Key]?: NonNullable<Described[Each]> }

function given<Key extends keyof Described>(one: Described, keys: readonly Key[]): Given<Key> {
  const found: Given<Key> = {}
  for (const key of keys) {
    const value = one[key]
    if (value !== undefined) found[key] = value
  }
  return found
}

/** What the rules of single lines say of an entry. */
export async function lineHitsOf(entry: Entry, catalogue: Catalogue, grammar: Grammar): Promise<EntryHit[]> {
  const { kind, text, session, number, atMs, offsetMs } = entry
  const hits: readonly RuleHit[] =
    kind === 'command'
      ? catalogue.ofLine(text)
      : kind === 'statement'
        ? catalogue.ofStatement(text, await grammar.analyse(text))
        : []
  return hits.map(({ id, severity, technique }) => ({
    session,
    entry: number,
    atMs,
    offsetMs,
    rule: id,
    severity,
    technique,
    quote: text,
  }))
}
