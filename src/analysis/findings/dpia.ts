/** What a data protection officer and a works council ask before sessions are analysed, answered from the configuration itself. */
import { createHash } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import type { RuleAbout } from '../rules/rule.ts'
import { severityOrder } from './finding.ts'
import { signalTexts } from './signal-texts.ts'
import { lasting, minPeople } from './words.ts'

export type DpiaSources = {
  readonly config: Config
  readonly rules: readonly RuleAbout[]
  /** An earlier pack, to tell what is new since. */
  readonly before?: string
}

/** Markdown. The same configuration and rules give the same text. */
export function dpiaPack({ config, rules, before }: DpiaSources): string {
  const active = rules.filter(({ id }) => !config.analysis.off.includes(id))
  const detectors = [...active.map(({ id }) => id), ...signalsOf(config)]
  return [
    `# Analysis of privileged sessions on ${config.gateway.name}: facts for a data protection impact assessment`,
    'Made from the configuration by `sallyport findings dpia`. It states what this gateway does; whether that is lawful and proportionate is for people to say.',
    news(detectors, before),
    purpose(config),
    categories(config),
    '## Detectors',
    rulesText(active),
    signalsText(config),
    recipients(config),
    people(config),
    automatic(config),
    retention(config),
    limits(),
    identity(detectors),
  ]
    .filter(part => part !== '')
    .join('\n\n')
    .concat('\n')
}

function signalsOf({ analysis }: Config): readonly string[] {
  if (!analysis.baselines.enabled) return []
  return Object.keys(signalTexts).filter(name => !analysis.baselines.off.some(off => off === name))
}

const listMark = 'Detectors in force: '

/** A detector that was not there before has to be told anew. */
function news(detectors: readonly string[], before: string | undefined): string {
  if (before === undefined) return ''
  const line = before.split('\n').find(text => text.startsWith(listMark)) ?? ''
  const known = new Set(line.slice(listMark.length).split(/[ ,.]+/))
  const added = detectors.filter(name => !known.has(name))
  const gone = [...known].filter(name => name !== '' && !detectors.includes(name))
  if (added.length + gone.length === 0) return '**Nothing was added or taken away since the pack before.**'
  return [
    '**Changed since the pack before. Tell the people concerned and their representatives again.**',
    ...(added.length > 0 ? [`- new: ${added.join(', ')}`] : []),
    ...(gone.length > 0 ? [`- gone: ${gone.join(', ')}`] : []),
  ].join('\n')
}

function purpose({ analysis, targets }: Config): string {
  return [
    '## Purpose and scope',
    `Security of ${targets.length} privileged targets: to notice misuse and mistakes in sessions on them. Nothing outside these sessions is observed. Findings are about sessions; nobody has a score, and there is no list of people by findings.`,
    ...(analysis.contact === undefined ? [] : [`Who answers for it: ${analysis.contact}.`]),
    ...(analysis.shadow
      ? ['**Shadow mode is on: findings are kept for trying out and shown to no reviewer.**']
      : []),
  ].join('\n\n')
}

function categories({ recording, analysis }: Config): string {
  const sealed = recording.encryptTo.length > 0
  return [
    '## Categories of data',
    '| what | where from |',
    '|---|---|',
    '| who, where to, as whom, from which address, when | sign-in and session |',
    '| commands and statements, redacted for secrets | the recording of the session |',
    '| names, sizes and digests of files; numbers of rows and bytes | the recording of the session |',
    `| findings and what was decided on them | the analysis, reviewers |`,
    '| tables, shapes and texts of statements, refused commands, counted over several sessions of a person | the analysis |',
    ...(analysis.baselines.enabled
      ? [
          '| profile: counts of commands, statements, targets, tables, source networks and hours | the analysis |',
        ]
      : []),
    ...(sealed
      ? [
          '',
          'Recordings are encrypted to auditors. Rules look at them while they are written: kept are the rule, the time and the number of the entry, and of what is usual hours, targets, addresses and durations. Nothing that was typed, asked or answered is kept outside of the recording.',
        ]
      : []),
  ].join('\n')
}

function rulesText(rules: readonly RuleAbout[]): string {
  const sorted = rules.toSorted(
    (a, b) => severityOrder.indexOf(b.severity) - severityOrder.indexOf(a.severity) || (a.id < b.id ? -1 : 1),
  )
  return [
    `### Rules (${rules.length})`,
    'A rule describes an action. It says the same of everybody, compares with nobody and learns nothing.',
    '| id | severity | what it looks for | harmless explanations |',
    '|---|---|---|---|',
    ...sorted.map(
      ({ id, severity, title, check }) =>
        `| ${id} | ${severity} | ${cell(title)} | ${cell(check.join(', '))} |`,
    ),
  ].join('\n')
}

function signalsText(config: Config): string {
  const { baselines } = config.analysis
  if (!baselines.enabled) return '### Baselines\n\nSwitched off: nobody has a profile.'
  const active = new Set(signalsOf(config))
  return [
    '### Baselines',
    `A session is compared with what the person and people with the same role did before. It makes a finding when it differs by ${baselines.score} nats or more. A profile of fewer than ${baselines.profile} commands raises none alone. Baselines never act on a session.`,
    '| signal | compares | severity |',
    '|---|---|---|',
    ...Object.entries(signalTexts).map(
      ([name, text]) =>
        `| ${name} | ${active.has(name) ? text : 'switched off'} | ${active.has(name) ? severityOfSignal(config, name) : ''} |`,
    ),
  ].join('\n')
}

function severityOfSignal({ analysis }: Config, name: string): string {
  return Object.entries(analysis.baselines.severity).find(([signal]) => signal === name)?.[1] ?? ''
}

function recipients({ roles, analysis }: Config): string {
  const reviewers = roles.filter(role => role.review.length > 0)
  return [
    '## Recipients',
    ...(reviewers.length === 0
      ? ['No role may review sessions.']
      : ['These roles see sessions and findings, never those of their own members about themselves:']),
    ...reviewers.map(
      role =>
        `- ${role.name}: ${[...role.members.groups.map(group => `group ${group}`), ...role.members.emails].join(', ')}`,
    ),
    analysis.pseudonyms === undefined
      ? 'Names show in findings.'
      : `Names are hidden in findings. A name shows to one person for ${lasting(analysis.pseudonyms.forMs)} once a member of ${analysis.pseudonyms.approvers.join(' or ')} has approved; reason and case are in the audit log. A pseudonym is replaced after ${lasting(analysis.pseudonyms.rotateMs)}.`,
    'Managers and personnel departments get nothing from this program, unless somebody gives them one of these roles.',
  ].join('\n')
}

function people({ analysis }: Config): string {
  return [
    '## People decide',
    `- At most ${analysis.budget} findings a day stand in the queue, at most ${analysis.perPerson} of them open findings of baselines about one person. The others are kept below the line.`,
    `- ${analysis.sampleShare * 100} % of sessions without a finding are drawn at random, so that misses can be estimated without looking at anybody in particular.`,
    analysis.fourEyes === undefined
      ? '- One reviewer closes a finding, with a reason.'
      : `- Closing a finding of severity ${analysis.fourEyes} and above takes two reviewers.`,
    '- Everybody sees their own sessions, their profile in words and closed findings about themselves, and can answer.',
    `- Figures about groups are told from ${minPeople} people on. \`sallyport findings fairness\` shows how findings fall on roles and hours.`,
    '- What reviewers look at is in the audit log, and is compared with what is usual for them, too.',
  ].join('\n')
}

function automatic({ roles }: Config): string {
  const acting = roles.flatMap(role => (role.on ?? []).map(rule => ({ role: role.name, rule })))
  return [
    '## What happens without a person',
    ...(acting.length === 0
      ? ['Nothing: no role has `on`.']
      : ['Only sessions are acted on, only by rules, never by baselines:']),
    ...acting.map(({ role, rule }) => {
      const when = rule.rule === undefined ? `severity ${rule.severity} and above` : `rule ${rule.rule}`
      return `- role ${role}: ${when}: ${rule.do}${rule.do === 'end' ? '' : `, for ${lasting(rule.waitMs)} at most`}`
    }),
  ].join('\n')
}

function retention({ analysis, recording }: Config): string {
  const ages = recording.retention.flatMap(({ maxMs }) => maxMs ?? [])
  return [
    '## Retention',
    '| what | kept for |',
    '|---|---|',
    `| recordings | ${ages.length === 0 ? 'until somebody removes them' : `${lasting(Math.max(...ages))} at most`} |`,
    `| findings | ${lasting(analysis.retention.findingsMs)} after closing |`,
    `| profiles | ${lasting(analysis.retention.profilesMs)} after the last session; at once on request |`,
    '| what rules over several sessions of a person have counted | 31 days after the last session; at once on request |',
    `| requests for names | ${lasting(analysis.retention.unmaskingsMs)} |`,
  ].join('\n')
}

function limits(): string {
  return [
    '## Known errors',
    'Commands of interactive shells are read off the screen and may be misread; each says how sure it is. The recording is what counts. Rates that were measured, how, and on what, are in BENCHMARKS.md. A rule that is met and a session that differs are no proof of anything; most have harmless explanations.',
  ].join('\n\n')
}

function identity(detectors: readonly string[]): string {
  const digest = createHash('sha256').update(detectors.join('\n')).digest('hex').slice(0, 16)
  return ['## Version', `${listMark}${detectors.join(', ')}.`, `Their digest: ${digest}.`].join('\n\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')
}
