/** What is looked for in sessions, who sees it and for how long: `analysis`, and `on` of roles. */
import { resolve } from 'node:path'
import { z } from 'zod'
import type { AnalysisConfig, ReactionRule } from './config.ts'
import { count, duration, listOf, reading, text } from './schema-values.ts'
import { unreadable } from './reading.ts'
import { parseRoleName } from './values.ts'

/** What baselines compare; each can be switched off and has a severity of its own. */
export const signalNames = [
  'first-access',
  'dormancy',
  'hour',
  'volume',
  'breadth',
  'two-sources',
  'drift',
  'reviewing',
] as const

const severity = z.enum(['info', 'low', 'medium', 'high', 'critical'])
/** A hundred years, as for recordings. */
const MAX_KEEP_MS = 36_525 * 86_400_000
/** A name that shows for longer is no exception any more. */
const MAX_UNMASKED_MS = 7 * 86_400_000
/** A session that is held keeps its place and its credential. */
const MAX_WAIT_MS = 8 * 3_600_000
/** Each rule of `on` is tried on each finding. */
const MAX_REACTIONS = 100

const ruleId = reading(value =>
  typeof value === 'string' && /^[\w.-]{1,100}$/.test(value)
    ? { ok: true, value }
    : unreadable('must be the id of a rule, such as SSH-10'),
)
const roleName = reading(parseRoleName)

/** The first bits of a finding are decided by nobody: `low` for what people do for many good reasons. */
const signalSeverities = z
  .strictObject({
    'first-access': severity.default('low'),
    dormancy: severity.default('low'),
    hour: severity.default('info'),
    volume: severity.default('medium'),
    breadth: severity.default('medium'),
    'two-sources': severity.default('medium'),
    drift: severity.default('low'),
    reviewing: severity.default('low'),
  })
  .prefault({})

const baselines = z.strictObject({
  enabled: z.boolean().default(true),
  /** Events of a person before their profile raises a finding alone. */
  profile: z.int().min(0).max(1_000_000).default(2000),
  /** Nats that a session has to differ by. */
  score: z.number().min(2).max(50).default(4),
  off: z.array(z.enum(signalNames)).default([]),
  severity: signalSeverities,
})

const pseudonyms = z.strictObject({
  /** Roles whose members approve that a name is shown. */
  approvers: listOf(roleName),
  for: duration(MAX_UNMASKED_MS).prefault('4h'),
  rotate: duration(MAX_KEEP_MS).prefault('30d'),
})

const keep = () => duration(MAX_KEEP_MS)

export const analysisFields = {
  /** Whether recordings are read for searching. */
  index: z.boolean().default(true),
  budget: count(20),
  perPerson: count(2),
  /** Percent of sessions without a finding. */
  sample: z.number().min(0).max(100).default(2),
  shadow: z.boolean().default(false),
  fourEyes: z.union([severity, z.literal('never')]).default('never'),
  off: z.array(ruleId).default([]),
  baselines: baselines.prefault({}),
  pseudonyms: pseudonyms.optional(),
  retention: z
    .strictObject({
      findings: keep().prefault('400d'),
      profiles: keep().prefault('400d'),
      unmaskings: keep().prefault('1095d'),
    })
    .prefault({}),
  /** A folder of Sigma rules, relative to the file. */
  sigma: text().optional(),
  /** Who answers for the analysis, for the pack on data protection. */
  contact: text().optional(),
}

const reaction = z.strictObject({
  finding: z
    .strictObject({ severity: severity.optional(), rule: ruleId.optional() })
    .refine(({ severity: least, rule }) => (least === undefined) !== (rule === undefined), {
      message: 'must say `severity` or `rule`, one of the two',
    }),
  do: z.enum(['end', 'pause', 'step-up']),
  wait: duration(MAX_WAIT_MS).prefault('10m'),
})
export const reactions = z.array(reaction).max(MAX_REACTIONS).default([])

type FileAnalysis = z.output<z.ZodObject<typeof analysisFields>>

/** `folder` is that of the file. */
export function findingsConfigOf(file: FileAnalysis, folder: string): AnalysisConfig {
  const {
    index,
    budget,
    perPerson,
    sample,
    shadow,
    fourEyes,
    off,
    baselines: compared,
    retention,
    contact,
  } = file
  return {
    index,
    budget,
    perPerson,
    sampleShare: sample / 100,
    shadow,
    ...(fourEyes === 'never' ? {} : { fourEyes }),
    off,
    baselines: compared,
    ...(file.pseudonyms === undefined
      ? {}
      : {
          pseudonyms: {
            approvers: file.pseudonyms.approvers,
            forMs: file.pseudonyms.for,
            rotateMs: file.pseudonyms.rotate,
          },
        }),
    retention: {
      findingsMs: retention.findings,
      profilesMs: retention.profiles,
      unmaskingsMs: retention.unmaskings,
    },
    ...(file.sigma === undefined ? {} : { sigma: resolve(folder, file.sigma) }),
    ...(contact === undefined ? {} : { contact }),
  }
}

export function reactionOf(rule: z.output<typeof reaction>, line: number): ReactionRule {
  const { severity: least, rule: id } = rule.finding
  return {
    ...(least === undefined ? {} : { severity: least }),
    ...(id === undefined ? {} : { rule: id }),
    do: rule.do,
    waitMs: rule.wait,
    line,
  }
}
