/**
 * From a Sigma rule to a test of processes. What a rule needs and a recording does not have is never taken for met: where it is one of
 * several ways to match, the rule does without and says so; otherwise the rule is refused.
 */
import { type Condition, parseCondition } from './condition.ts'
import { missingFields, type Process } from './process.ts'
import { aboutOf, type SigmaRule, type SigmaSource } from './sigma-rule.ts'
import { compileValues, type Field, type FieldTest } from './value.ts'

type Seen = { readonly process: Process; readonly images: readonly Field[]; readonly line: Field }
type Test = (seen: Seen) => boolean
/** A test, or why there is none. */
type Compiled = { readonly test: Test; readonly without: readonly string[] } | { readonly missing: string }

/** The rule, or the field and why it is refused. */
export type SigmaResult =
  | { readonly rule: SigmaRule }
  | { readonly refused: { readonly field: string; readonly reason: string } }

const maxValues = 5000

export function compileSigma(source: SigmaSource, name: string): SigmaResult {
  const refusal = logsourceRefusal(source)
  if (refusal !== undefined) return { refused: refusal }
  const { condition, ...detection } = source.detection
  const searches = new Map<string, Compiled>()
  for (const [key, value] of Object.entries(detection)) {
    try {
      searches.set(key, compileSearch(value))
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      return { refused: { field: `detection.${key}`, reason: cause.message } }
    }
  }
  try {
    const conditions = typeof condition === 'string' ? [condition] : condition
    const parsed = conditions.map(text => parseCondition(text, [...searches.keys()]))
    const compiled = anyOf(parsed.map(each => compileCondition(each, searches, true)))
    if ('missing' in compiled) return { refused: { field: 'detection', reason: compiled.missing } }
    const { test, without } = compiled
    return { rule: { ...aboutOf(source, name), notes: without, matches: process => test(seenOf(process)) } }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    return { refused: { field: 'detection.condition', reason: cause.message } }
  }
}

function logsourceRefusal({ logsource, status }: SigmaSource): { field: string; reason: string } | undefined {
  const { category, product, service } = logsource
  if (category !== 'process_creation')
    return {
      field: 'logsource.category',
      reason: `only process_creation is known, not ${category ?? service ?? 'none'}`,
    }
  if (product !== undefined && product !== 'linux')
    return { field: 'logsource.product', reason: `it is about ${product}, not linux` }
  if (service !== undefined)
    return { field: 'logsource.service', reason: `the service ${service} is not recorded` }
  return status === 'unsupported'
    ? { field: 'status', reason: 'its author says that it is unsupported' }
    : undefined
}

/** Cheap to make for each rule, since most rules look at a field or two. */
const known = new WeakMap<Process, Seen>()

function seenOf(process: Process): Seen {
  const before = known.get(process)
  if (before !== undefined) return before
  const { images, commandLine, words } = process
  const seen = {
    process,
    images: images.map(image => fieldOf(image, [image])),
    line: fieldOf(commandLine, words),
  }
  known.set(process, seen)
  return seen
}

function fieldOf(text: string, words: readonly string[]): Field {
  return { text, lower: text.toLowerCase(), words }
}

/** A map: all of its fields. A list of maps: one of them. A list of texts: one stands somewhere in the line. */
function compileSearch(value: unknown): Compiled {
  if (typeof value === 'string' || typeof value === 'number') return compileFields({ '': value })
  if (Array.isArray(value)) {
    const items: unknown[] = value
    if (items.length === 0) throw new RangeError('a list is empty')
    if (items.every(item => typeof item === 'string' || typeof item === 'number'))
      return compileFields({ '': items })
    return anyOf(items.map(compileSearch))
  }
  if (typeof value === 'object' && value !== null) return compileFields(value as Record<string, unknown>)
  throw new RangeError('a search must be a map or a list')
}

function compileFields(fields: Record<string, unknown>): Compiled {
  const entries = Object.entries(fields)
  if (entries.length === 0) throw new RangeError('a map is empty')
  return allOf(entries.map(([key, value]) => compileField(key, value)))
}

function compileField(key: string, value: unknown): Compiled {
  const [name = '', ...modifiers] = key.split('|')
  const values: unknown[] = Array.isArray(value) ? value : [value]
  if (values.length === 0 || values.length > maxValues)
    throw new RangeError(`${key}: it must have 1 to ${maxValues} values`)
  if (name !== '' && name !== 'Image' && name !== 'CommandLine')
    return { missing: `it needs ${name}: ${missingFields[name] ?? 'a recorded session has no such field'}` }
  const tests = compiledValues(key, values, name === '' ? [...modifiers, 'contains'] : modifiers)
  const field = fieldTest(tests, modifiers.includes('all'))
  return {
    test: name === 'Image' ? ({ images }) => images.some(field) : ({ line }) => field(line),
    without: [],
  }
}

function compiledValues(
  key: string,
  values: readonly unknown[],
  modifiers: readonly string[],
): readonly FieldTest[] {
  try {
    return compileValues(values, modifiers)
  } catch (cause) {
    throw cause instanceof RangeError ? new RangeError(`${key}: ${cause.message}`) : cause
  }
}

function fieldTest(tests: readonly FieldTest[], isAll: boolean): FieldTest {
  return isAll ? field => tests.every(test => test(field)) : field => tests.some(test => test(field))
}

/** `isWanted`: meeting it makes the rule match. Under a `not` nothing may be left out: that would hide or show too much. */
function compileCondition(
  condition: Condition,
  searches: ReadonlyMap<string, Compiled>,
  isWanted: boolean,
): Compiled {
  if (condition.kind === 'search') {
    const search = searches.get(condition.name) ?? { missing: `there is no search ${condition.name}` }
    if (!isWanted && 'test' in search && search.without.length > 0)
      return { missing: search.without.join('; ') }
    return search
  }
  if (condition.kind === 'not') {
    const inner = compileCondition(condition.of, searches, !isWanted)
    if ('missing' in inner) return inner
    return { test: seen => !inner.test(seen), without: inner.without }
  }
  const parts = condition.of.map(each => compileCondition(each, searches, isWanted))
  return condition.kind === 'or' && isWanted ? anyOf(parts) : joined(condition.kind, parts)
}

function joined(kind: 'and' | 'or', parts: readonly Compiled[]): Compiled {
  if (kind === 'and') return allOf(parts)
  const missing = parts.find(part => 'missing' in part)
  return missing ?? anyOf(parts)
}

function allOf(parts: readonly Compiled[]): Compiled {
  const made: Extract<Compiled, { test: Test }>[] = []
  for (const part of parts) {
    if ('missing' in part) return part
    made.push(part)
  }
  return {
    test: seen => made.every(({ test }) => test(seen)),
    without: made.flatMap(({ without }) => without),
  }
}

/** Does without the alternatives that cannot be had, as long as one is left. */
function anyOf(parts: readonly Compiled[]): Compiled {
  const made = parts.flatMap(part => ('test' in part ? [part] : []))
  const missing = parts.flatMap(part => ('missing' in part ? [part.missing] : []))
  if (made.length === 0) return { missing: missing[0] ?? 'it is empty' }
  return {
    test: seen => made.some(({ test }) => test(seen)),
    without: [
      ...made.flatMap(({ without }) => without),
      ...missing.map(reason => `an alternative is left out: ${reason}`),
    ],
  }
}
