/** A Sigma rule as it stands in its file, and what we make of it. Format: Sigma specification 2.0. */
import { z } from 'zod'
import { forbiddenWords } from '../../findings/words.ts'
import type { RuleAbout, Severity } from '../rule.ts'
import type { Process } from './process.ts'

export const sigmaSchema = z.looseObject({
  title: z.string().min(1).max(256),
  id: z
    .string()
    .regex(/^[\da-fA-F-]{36}$/, 'must be a UUID')
    .optional(),
  status: z.string().optional(),
  description: z.string().optional(),
  level: z.enum(['informational', 'low', 'medium', 'high', 'critical']).optional(),
  tags: z.array(z.string()).optional(),
  falsepositives: z.union([z.string(), z.array(z.string())]).optional(),
  logsource: z.looseObject({
    category: z.string().optional(),
    product: z.string().optional(),
    service: z.string().optional(),
  }),
  detection: z.looseObject({ condition: z.union([z.string(), z.array(z.string()).min(1)]) }),
})
export type SigmaSource = z.output<typeof sigmaSchema>

export type SigmaRule = RuleAbout & {
  readonly matches: (process: Process) => boolean
  /** Parts of it that were left out, and why; it finds less than elsewhere. */
  readonly notes: readonly string[]
}

const severityOf: Readonly<Record<NonNullable<SigmaSource['level']>, Severity>> = {
  informational: 'info',
  low: 'low',
  medium: 'medium',
  high: 'high',
  critical: 'critical',
}

/** Titles of others judge; ours say what happened. */
const judging: readonly (readonly [RegExp, string])[] = [
  [/\b(?:(?:potential(?:ly)?|possibl[ey]) )?(?:suspicious|malicious|rogue)\b/gi, 'noteworthy'],
  [/\b(?:threat actors?|adversar(?:y|ies)|attackers?|hackers?|insiders?)\b/gi, 'somebody'],
  [/\bintent(?:ion)?s?\b/gi, 'purpose'],
  [new RegExp(forbiddenWords.source, 'gi'), 'noteworthy'],
]

/** What it says of itself, in our words where its own judge a person. */
export function aboutOf(source: SigmaSource, name: string): RuleAbout {
  const benign = source.falsepositives ?? []
  const checks = (typeof benign === 'string' ? [benign] : benign)
    .map(fair)
    .filter(text => !/^(?:unknown|none)\.?$/i.test(text))
  return {
    id: `sigma-${source.id?.toLowerCase() ?? name}`,
    title: capital(fair(source.title)),
    severity: severityOf[source.level ?? 'medium'],
    techniques: techniquesOf(source.tags ?? []),
    says: capital(fair((source.description ?? source.title).trim().replaceAll(/\s+/g, ' ').slice(0, 500))),
    check: checks.length === 0 ? ['usual administration'] : checks,
  }
}

function fair(text: string): string {
  return judging.reduce((current, [word, instead]) => current.replaceAll(word, instead), text)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `attack.t1059.004` is T1059.004; tactics, groups and CVEs are left out. */
function techniquesOf(tags: readonly string[]): string[] {
  return tags.flatMap(tag => {
    const found = /^attack\.(t\d{4}(?:\.\d{3})?)$/i.exec(tag)
    return found === null ? [] : [(found[1] ?? '').toUpperCase()]
  })
}
