/**
 * Decides on statements before the target sees them: what a session may never do to its own role, what the rule's `deny` forbids,
 * and what would show a masked column in another way than as itself. A string of several statements is decided as a whole.
 */
import type { Analysis } from '../../analysis/sql/analysis.ts'
import type { Grammar, MaskNumber } from '../../analysis/sql/grammar.ts'
import type { StatementFacts } from '../../model.ts'
import { hasDenyRules, judgeStatement } from '../../policy/sql.ts'
import type { Grant } from '../../policy/decide.ts'
import { allowed, type Judgement, type RunName, type StatementGate } from './hooks.ts'
import type { SessionMasks } from './masked-databases.ts'
import { judgeOwnRole } from './own-role.ts'
import { judgeSettings, judgeUnknownSettings } from './own-settings.ts'
import { isSuspicious, looksForbidden } from './suspicious.ts'

export type GateParts = {
  readonly grant: Grant
  /** The role that was made for this session; with certificates, the login itself. */
  readonly user: string
  readonly grammar: Grammar
  /** The session: sessions take turns at the parser. */
  readonly session?: string | undefined
  /** What is masked in the session's database. Asked anew for each text: it changes with the tables. */
  readonly masks?: Pick<SessionMasks, 'number' | 'changed'> | undefined
}

/** General words: each statement that makes, changes or removes something has one of them. */
const changesTables = new Set(['create', 'alter', 'drop'])

/** One for each session and grant; a grant that changes gets another one. */
export function statementGate(parts: GateParts): StatementGate {
  return new Gate(parts)
}

class Gate implements StatementGate {
  readonly hasRules: boolean
  readonly #parts: GateParts

  constructor(parts: GateParts) {
    this.#parts = parts
    this.hasRules = hasDenyRules(parts.grant) || parts.grant.fields.mask !== undefined
  }

  /** Without rules, only a text with a word that could touch the session's role or settings is read at all. */
  judge(text: string): Judgement | Promise<Judgement> {
    if (!this.hasRules && !isSuspicious(text)) return allowed
    if (this.#parts.grant.fields.mask === undefined) return this.#read(text)
    const number = this.#parts.masks?.number()
    if (number === undefined) return masksUnknown
    if (typeof number === 'number') return this.#read(text, number)
    return number.then(
      masks => this.#read(text, masks),
      () => masksUnknown,
    )
  }

  /** The functions of large objects, by their numbers: no text says what is called. */
  judgeFunctionCall(): Judgement {
    const facts = { ...noFacts, kinds: ['function', 'large-object'] }
    return judgeStatement(this.#parts.grant, facts)
  }

  #read(text: string, masks?: MaskNumber): Judgement | Promise<Judgement> {
    const { grammar, session } = this.#parts
    const known = grammar.known(text, masks)
    if (known !== undefined) return this.#decide(text, known)
    return grammar.analyse(text, 'gate', masks, session).then(analysis => this.#decide(text, analysis))
  }

  #decide(text: string, analysis: Analysis): Judgement {
    const { grant, user } = this.#parts
    const { facts } = analysis
    if (facts.class === 'unparsable') return this.#unread(text, analysis)
    const own = judgeOwnRole(analysis, { user, login: grant.fields.login }) ?? judgeSettings(analysis)
    if (own !== undefined) return own
    if (!this.hasRules) return allowed
    const decision = judgeStatement(grant, facts)
    if (!decision.allowed) return decision
    const judgement = judgeUnknownSettings(analysis) ?? this.#judgeMasks(analysis)
    if (!judgement.allowed) return judgement
    if (facts.kinds.some(kind => changesTables.has(kind))) this.#parts.masks?.changed()
    const runs = runsOf(analysis)
    return runs.length === 0 ? allowed : { allowed: true, runs }
  }

  /**
   * Where rules apply, what cannot be read is refused. Elsewhere most of it is a mistake that the server will name; only words that
   * would be refused if they could be read are not let through in a text that cannot.
   */
  #unread(text: string, { facts }: Analysis): Judgement {
    if (this.hasRules) {
      const decision = judgeStatement(this.#parts.grant, facts)
      return decision.allowed ? unread(facts.reason) : decision
    }
    return looksForbidden(text) ? unread(facts.reason) : allowed
  }

  #judgeMasks({ maskedReach }: Analysis): Judgement {
    if (maskedReach === undefined) return allowed
    const { role, ruleLine } = this.#parts.grant.fields
    return {
      allowed: false,
      rule: `role ${role}, line ${ruleLine}: mask`,
      reason: `Policy refuses this statement, because it would show masked columns: ${maskedReach}.`,
      hint: 'Name masked columns only as plain columns in the list of the outermost SELECT or RETURNING.',
    }
  }
}

/** What it runs by a name that means something already. */
function runsOf({ parts }: Analysis): readonly RunName[] {
  const own = new Set<string>()
  const runs: RunName[] = []
  for (const { named } of parts) {
    if (named?.name === undefined) continue
    const what = named.action === 'fetch' || named.action === 'declare' ? 'portal' : 'statement'
    const { action, name } = named
    if (action === 'prepare' || action === 'declare') own.add(`${what} ${name}`)
    else if ((action === 'execute' || action === 'fetch') && !own.has(`${what} ${name}`))
      runs.push({ what, name })
  }
  return runs
}

const noFacts: StatementFacts = {
  class: 'call',
  kinds: [],
  tables: [],
  functions: [],
  hasWhere: undefined,
  fingerprint: undefined,
  statements: 1,
}

/** A look-up that fails refuses. */
const masksUnknown: Judgement = {
  allowed: false,
  rule: 'masked columns must be known',
  reason: 'The gateway could not find out which columns are masked in this database.',
  hint: 'Connect again; if this stays so, ask whoever runs the gateway.',
}

function unread(reason: string | undefined): Judgement {
  return {
    allowed: false,
    rule: 'statements must be read',
    reason: `The gateway cannot read this statement${reason === undefined ? '' : ` (${printable(reason)})`}.`,
    hint: 'Send it in a plainer form, and each statement by itself.',
  }
}

/** The parser's reason quotes the text. */
function printable(reason: string): string {
  return reason.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').slice(0, 200)
}
