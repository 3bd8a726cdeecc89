/** A rule as data: what it looks for, what that may mean, and the lines that prove it. */
import { z } from 'zod'

export const severities = ['info', 'low', 'medium', 'high', 'critical'] as const
export type Severity = (typeof severities)[number]

/** Patterns of words, see glob.ts; a list of one may be written without its brackets. */
export const globs = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform(value => (typeof value === 'string' ? [value] : value))
const all = z.array(globs).min(1)

const clauseFields = {
  /** The program, without its folder. */
  command: globs.optional(),
  /** The program as it was written, with its folder. */
  programPath: globs.optional(),
  /** Its first operand, such as `stop` in `systemctl stop`. */
  first: globs.optional(),
  /** Each has to be matched by some argument. */
  arguments: all.optional(),
  /** None may be matched by any argument. */
  noArguments: globs.optional(),
  /** Each has to be there; `-D` is found in `-fD`, too. */
  options: all.optional(),
  /** Has no operand. */
  bare: z.boolean().optional(),
  /** A path that it names in any way. */
  path: globs.optional(),
  /** A path that it writes, makes, empties or removes. */
  writes: globs.optional(),
  /** A variable that it sets, and what to. */
  assigns: globs.optional(),
  value: globs.optional(),
  /** A program that runs it, such as `sudo`. */
  wrapped: globs.optional(),
  /** A text that an argument or its input contains, in any case. */
  contains: globs.optional(),
  /** Text on its input that stands in the line. */
  input: globs.optional(),
  /** How we came to it. */
  source: globs.optional(),
}
const simpleClause = z.strictObject(clauseFields)
export const clause = z.strictObject({
  ...clauseFields,
  /** A later, and an earlier, command of the same pipeline. */
  pipedTo: simpleClause.optional(),
  pipedFrom: simpleClause.optional(),
})
export type Clause = z.output<typeof clause>

const shellMatch = {
  /** One of these, by one command. */
  any: z.array(clause).min(1).optional(),
  /** Each of these, by some command of the line. */
  all: z.array(clause).min(2).optional(),
  /** At least so many of these, each by some command of the line. */
  several: z.strictObject({ least: z.number().int().min(2), of: z.array(clause).min(2) }).optional(),
  /** The line contains one of these as it stands. */
  line: globs.optional(),
  /** The line hides its words. */
  obscured: z.literal(true).optional(),
  /** Commands that are left out of account. */
  except: z.array(clause).optional(),
}

const statementClause = z.strictObject({
  /** What it does: a word of `deny.statements`, such as `copy-program`. */
  kinds: globs.optional(),
  /** Of what class it is, such as `ddl`; `unparsable` is one. */
  classes: globs.optional(),
  /** What it must not do besides. */
  noKinds: globs.optional(),
  /** A table that it names, as `schema.table`, or `table` where it names no schema. */
  tables: globs.optional(),
  /** A function that it calls, without its schema. */
  functions: globs.optional(),
  /** A setting that it changes. */
  settings: globs.optional(),
  /** A role that it names. */
  roles: globs.optional(),
  hasWhere: z.boolean().optional(),
  /** How many statements the text holds. */
  leastStatements: z.number().int().min(2).optional(),
  /** A text that it contains, in any case; and none of these. */
  contains: globs.optional(),
  noContains: globs.optional(),
})
export type StatementClause = z.output<typeof statementClause>

/** What every rule says of itself. */
export const about = {
  id: z.string().regex(/^[A-Z]+-\d+[a-z]?$/),
  title: z.string().min(1),
  severity: z.enum(severities),
  /** ATT&CK techniques: of the pattern of action, never a statement on its purpose. */
  techniques: z.array(z.string().regex(/^T\d{4}(?:\.\d{3})?$/)).min(1),
  /** What happened, in words that name no culprit. */
  says: z.string().min(1),
  /** Harmless explanations to check. */
  check: z.array(z.string()).min(1),
}
const aboutSchema = z.strictObject(about)
/** For people: what a rule looks for, without how. */
export type RuleAbout = z.output<typeof aboutSchema>

const examples = z.strictObject({
  matches: z.array(z.string()).min(1),
  passes: z.array(z.string()).min(1),
})

const shellRule = z
  .strictObject({ ...about, examples, protocol: z.literal('ssh'), ...shellMatch })
  .refine(({ any, all, several, line, obscured }) => any ?? all ?? several ?? line ?? obscured, {
    message: 'a rule looks for something: any, all, several, line or obscured',
  })
const statementRule = z.strictObject({
  ...about,
  examples,
  protocol: z.literal('postgres'),
  any: z.array(statementClause).min(1),
  except: z.array(statementClause).optional(),
})

export const ruleSchema = z.discriminatedUnion('protocol', [shellRule, statementRule])
export type ShellRule = z.output<typeof shellRule>
export type StatementRule = z.output<typeof statementRule>
export type Rule = ShellRule | StatementRule
