/** Turns what zod says about a value into what an operator can act on. */
import { z } from 'zod'
import type { Path, YamlFile } from './document.ts'
import type { Issue } from './cross-checks.ts'
import { didYouMean } from './suggest.ts'

/** Keys of the product's design that this version does not have yet; said so, instead of suggesting another key. */
const LATER_KEYS: ReadonlySet<string> = new Set([
  'recheck',
  'deviceFlow',
  'input',
  'approval',
  'reason',
  'ticket',
  'mfa',
])

const EXPECTED: Record<string, string> = {
  string: 'must be text',
  array: 'must be a list',
  object: 'must be a map of keys and values',
  record: 'must be a map of keys and values',
  boolean: 'must be true or false',
  int: 'must be a whole number',
  number: 'must be a number',
}

type ZodIssue = z.core.$ZodIssue

/** The issues of one zod issue: an object with three unknown keys has three. `keysAt` says which keys are known there. */
export function explainIssue(
  issue: ZodIssue,
  file: YamlFile,
  keysAt: (path: Path) => readonly string[],
): Issue[] {
  const path = issue.path.filter(step => typeof step !== 'symbol')
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => unknownKey(path, key, keysAt(path)))
    case 'invalid_type':
      return [
        { path, message: file.has(path) ? (EXPECTED[issue.expected] ?? 'has the wrong type') : 'is missing' },
      ]
    case 'invalid_value':
      return [file.has(path) ? oneOf(path, issue.values.map(String)) : { path, message: 'is missing' }]
    case 'too_small':
      return [
        {
          path,
          message: issue.origin === 'array' ? 'must not be empty' : `must be at least ${issue.minimum}`,
        },
      ]
    case 'too_big':
      return [{ path, message: `must be at most ${issue.maximum}` }]
    case 'invalid_union':
      return explainUnion(issue, path, file, keysAt)
    case 'custom':
      return [{ path, message: issue.message, suggestion: suggestionOf(issue.params) }]
    default:
      return [{ path, message: 'cannot be read' }]
  }
}

function unknownKey(path: Path, key: string, known: readonly string[]): Issue {
  if (LATER_KEYS.has(key))
    return { path: [...path, key], message: 'is a key that this version does not have yet', atKey: true }
  // One of another form, such as `secret` beside `file`.
  if (known.includes(key)) return { path: [...path, key], message: 'is not a known key here', atKey: true }
  return {
    path: [...path, key],
    message: 'is not a known key',
    suggestion: didYouMean(key, known),
    atKey: true,
  }
}

function oneOf(path: Path, values: readonly string[]): Issue {
  return { path, message: `must be ${values.map(value => `\`${value}\``).join(' or ')}` }
}

/**
 * Targets are of one protocol or another; `hostKeys` is a word or a list, and what is wrong inside the list is worth more than that
 * it is no word.
 */
function explainUnion(
  issue: Extract<ZodIssue, { code: 'invalid_union' }>,
  path: Path,
  file: YamlFile,
  keysAt: (path: Path) => readonly string[],
): Issue[] {
  if ('discriminator' in issue && issue.discriminator !== undefined)
    return [file.has(path) ? oneOf(path, ['ssh', 'postgres']) : { path, message: 'is missing' }]
  const [inside] = issue.errors
    .filter(branch => branch.some(inner => inner.path.length > 0 || inner.code === 'too_small'))
    .toSorted((a, b) => strangeKeys(a) - strangeKeys(b))
  if (inside === undefined) return [{ path, message: wantedOf(path) }]
  return inside.flatMap(inner => explainIssue({ ...inner, path: [...path, ...inner.path] }, file, keysAt))
}

/** The form that knows most of what is written is the one that was meant. */
function strangeKeys(branch: readonly ZodIssue[]): number {
  return branch.reduce((sum, one) => sum + (one.code === 'unrecognized_keys' ? one.keys.length : 0), 0)
}

/** What keys with several forms want, where no form comes near. */
const FORMS: Record<string, string> = {
  store: 'must be `local` or { s3: … }',
  encryption: 'must be `bucket`, `AES256` or { kmsKey: … }',
  keepLocal: 'must be `none` or a duration such as 1h',
}

function wantedOf(path: Path): string {
  return FORMS[String(path.at(-1))] ?? 'must be `first-use` or a list of public keys'
}

function suggestionOf(params: Record<string, unknown> | undefined): string | undefined {
  const suggestion = params?.['suggestion']
  return typeof suggestion === 'string' ? suggestion : undefined
}

type JsonSchema = {
  properties?: Record<string, JsonSchema>
  items?: JsonSchema
  additionalProperties?: JsonSchema | boolean
  /** Targets: one for each protocol. Keys of all count as known, so that the schema itself tells which is out of place. */
  oneOf?: readonly JsonSchema[]
  anyOf?: readonly JsonSchema[]
}

function branchesOf(schema: JsonSchema | undefined): readonly JsonSchema[] {
  if (schema === undefined) return []
  return [schema, ...[...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].flatMap(branchesOf)]
}

/** Every key that the schema knows at a path. */
export function knownKeys(schema: z.ZodType): (path: Path) => readonly string[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return path => {
    const inside = path.reduce<readonly JsonSchema[]>(
      (here, step) => here.flatMap(schema => stepInto(schema, step)),
      branchesOf(root),
    )
    return [...new Set(inside.flatMap(schema => Object.keys(schema.properties ?? {})))]
  }
}

function stepInto(here: JsonSchema, step: string | number): readonly JsonSchema[] {
  if (typeof step === 'number') return branchesOf(here.items)
  const rest = here.additionalProperties
  return branchesOf(here.properties?.[step] ?? (typeof rest === 'object' ? rest : undefined))
}

/** All keys of the file as documented: `targets[].name`, `roles.NAME.members.groups`. For the test of the documentation. */
export function allKeys(schema: z.ZodType): string[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return [...new Set(keysBelow(root, ''))]
}

function keysBelow(branching: JsonSchema, path: string): string[] {
  return branchesOf(branching).flatMap(schema => keysOf(schema, path))
}

function keysOf(schema: JsonSchema, path: string): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, inside]) => {
    const here = path === '' ? key : `${path}.${key}`
    return [here, ...keysBelow(inside, here)]
  })
  const items = schema.items === undefined ? [] : keysBelow(schema.items, `${path}[]`)
  const rest = schema.additionalProperties
  return [...own, ...items, ...(typeof rest === 'object' ? keysBelow(rest, `${path}.NAME`) : [])]
}
