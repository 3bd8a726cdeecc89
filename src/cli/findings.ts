/** `sallyport findings`: the queue, one finding, and what is decided on it; through a running gateway, here or elsewhere. The pack for data protection needs none. */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import type { FindingFilter, FindingInFull, FindingPage, FindingView } from '../analysis/findings/desk.ts'
import { dpiaPack } from '../analysis/findings/dpia.ts'
import type { FairnessGroup, FairnessReport } from '../analysis/findings/fairness.ts'
import { clockTime, lasting } from '../analysis/findings/words.ts'
import { loadRules } from '../analysis/rules/load.ts'
import { severities } from '../analysis/rules/rule.ts'
import { parseDuration } from '../config/units.ts'
import { Fault } from '../errors.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine, printJson, table } from './print.ts'
import { placeOptions, type RemoteGateway, remoteGatewayOf, type WithGateway } from './remote-gateway.ts'

type WithJson = WithConfig & WithGateway & { json?: boolean }
type ListOptions = WithJson & {
  limit: string
  cursor?: string
  state?: FindingView['state'][]
  severity?: FindingView['severity'][]
  kind?: FindingView['kind'][]
  rule?: string[]
  principal?: string[]
  session?: string[]
  assignee?: string[]
  place?: NonNullable<FindingFilter['place']>
}

export function addFindings(program: Command): void {
  const findings = program
    .command('findings')
    .description('what rules and baselines noticed in sessions, and what reviewers decided')
  addList(findings)
  addDecisions(findings)
  addResume(findings)
  addReports(findings)
}

function addList(findings: Command): void {
  placeOptions(
    findings
      .command('list')
      .description('ranked: severity, then how unusual, then the newest')
      .option('--limit <number>', 'at most so many', '50')
      .option('--cursor <finding>', 'go on after this one')
      .addOption(new Option('--state <state...>').choices(['new', 'acknowledged', 'closed']))
      .addOption(new Option('--severity <severity...>').choices(severities))
      .addOption(new Option('--kind <kind...>').choices(['rule', 'baseline', 'integrity', 'sample']))
      .option('--rule <id...>', 'rules or their groups')
      .option('--principal <name...>', 'people, as they are shown')
      .option('--session <session...>')
      .option('--assignee <name...>', 'names, or: nobody')
      .addOption(
        new Option('--place <place>', 'queue is above the line').choices([
          'queue',
          'below',
          'snoozed',
          'suppressed',
          'all',
        ]),
      )
      .option('--json', 'for scripts'),
  ).action((options: ListOptions) => list(options))
  placeOptions(
    findings.command('show').description('one finding').argument('<finding>').option('--json', 'for scripts'),
  ).action(async (id: string, options: WithJson) => {
    print(await deskOf(options).show(id), options)
  })
}

function addDecisions(findings: Command): void {
  const decide = (name: string, description: string): Command =>
    placeOptions(
      findings.command(name).description(description).argument('<finding>').option('--json', 'for scripts'),
    )
  const act =
    <Options extends WithJson>(name: string, bodyOf: (options: Options) => object) =>
    async (id: string, options: Options): Promise<void> => {
      print(await deskOf(options).decide(id, name, bodyOf(options)), options)
    }
  decide('acknowledge', 'say that somebody is looking at it').action(act('acknowledge', () => ({})))
  decide('assign', 'give it to somebody')
    .requiredOption('--to <name>', 'a name, or: me, nobody')
    .action(act<WithJson & { to: string }>('assign', ({ to }) => ({ to })))
  decide('close', 'close it; where that takes two people, begin to')
    .addOption(
      new Option('--reason <reason>')
        .choices(['true-positive', 'benign-expected', 'rule-too-broad', 'duplicate'])
        .makeOptionMandatory(),
    )
    .requiredOption('--why <text>', 'the rationale')
    .action(
      act<WithJson & { reason: string; why: string }>('close', ({ reason, why }) => ({
        reason,
        rationale: why,
      })),
    )
  decide('reopen', 'open a closed one again')
    .requiredOption('--why <text>', 'the rationale')
    .action(act<WithJson & { why: string }>('reopen', ({ why }) => ({ rationale: why })))
  decide('suppress', 'show no findings like it for a while')
    .addOption(
      new Option('--scope <scope>').choices(['rule-person', 'rule-target', 'rule']).makeOptionMandatory(),
    )
    .requiredOption('--for <duration>', 'for how long, such as 7d; a year at most')
    .requiredOption('--why <text>', 'the rationale')
    .action(
      act<WithJson & { scope: string; for: string; why: string }>('suppress', options => ({
        scope: options.scope,
        untilMs: Date.now() + durationOf(options.for),
        rationale: options.why,
      })),
    )
  decide('lift', 'end what suppresses it, before its time')
    .requiredOption('--why <text>', 'the rationale')
    .action(act<WithJson & { why: string }>('lift', ({ why }) => ({ rationale: why })))
  decide('snooze', 'put it off: it leaves the queue and comes back by itself')
    .requiredOption('--for <duration>', 'for how long, such as 4h or 1d; two weeks at most')
    .action(
      act<WithJson & { for: string }>('snooze', options => ({
        untilMs: Date.now() + durationOf(options.for),
      })),
    )
  decide('unmask', 'ask whom it is about; somebody else approves on the pages')
    .requiredOption('--case <id>', 'the case that it belongs to')
    .requiredOption('--why <text>', 'the reason')
    .action(
      act<WithJson & { case: string; why: string }>('unmask', options => ({
        caseId: options.case,
        reason: options.why,
      })),
    )
}

/** Beside the findings, since it is one of those why it is held. */
function addResume(findings: Command): void {
  configOption(
    findings
      .command('resume')
      .description('let a session go on that policy holds because of a finding')
      .argument('<session>'),
  ).action(async (session: string, options: WithConfig) => {
    await clientOf(options).resume(session, localUser())
    say(printableLine(`Session ${session} goes on.`))
  })
}

function addReports(findings: Command): void {
  configOption(
    findings
      .command('fairness')
      .description('how findings fall on roles and hours, without a name')
      .option('--days <number>', 'looking back so far', '30')
      .option('--json', 'for scripts'),
  ).action(async (options: WithJson & { days: string }) => {
    const report = await clientOf(options).fairness(Number(options.days))
    if (options.json === true) printJson(report)
    else printReport(report)
  })
  configOption(
    findings
      .command('dpia')
      .description('what is analysed, why, for whom and how long: Markdown, made from the configuration')
      .option('--before <file>', 'an earlier pack: tells what is new since'),
  ).action((options: WithConfig & { before?: string }) => {
    const config = requireConfig(configFileOf(options), { withoutSecrets: true })
    const before = options.before === undefined ? undefined : readFileSync(options.before, 'utf8')
    const sigma = config.analysis.sigma === undefined ? {} : { sigma: config.analysis.sigma }
    const { catalogue } = loadRules(sigma)
    const pack = dpiaPack({
      config,
      rules: catalogue.all,
      ...(before === undefined ? {} : { before }),
    })
    process.stdout.write(pack)
  })
}

type Filter = Omit<FindingFilter, 'limit'> & { readonly limit: number }
/** What the commands ask, whichever way. */
type Desk = {
  readonly list: (filter: Filter) => Promise<FindingPage>
  readonly show: (id: string) => Promise<FindingInFull>
  readonly decide: (id: string, act: string, body: object) => Promise<FindingInFull>
}

function deskOf(options: WithConfig & WithGateway): Desk {
  const remote = remoteGatewayOf(options)
  return remote === undefined ? deskHere(clientOf(options)) : deskAt(remote)
}

function deskHere(client: AdminClient): Desk {
  const by = localUser()
  return {
    list: filter => client.findings({ ...filter, by }),
    show: id => client.finding(id, 'show', { by }),
    decide: (id, act, body) => client.finding(id, act, { by, ...body }),
  }
}

function deskAt(remote: RemoteGateway): Desk {
  const pathOf = (id: string): string => `/findings/${encodeURIComponent(id)}`
  return {
    list: filter => remote.get('/findings', filter),
    show: id => remote.get(pathOf(id)),
    decide: (id, act, body) => remote.post(`${pathOf(id)}/${act}`, body),
  }
}

function clientOf(options: WithConfig): AdminClient {
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  return new AdminClient(foldersOf(config).adminSocket)
}

/** Who types this, for histories and the audit log. */
function localUser(): string {
  return `local user ${process.getuid?.() ?? ''} (${userInfo().username})`
}

function durationOf(text: string): number {
  const parsed = parseDuration(text)
  if (parsed.ok) return parsed.value
  throw new Fault('CONFIG_INVALID', `--for must be a duration such as 7d, not "${text}".`)
}

async function list(options: ListOptions): Promise<void> {
  const { json, config: _config, gateway: _gateway, tokenFile: _tokenFile, limit, ...filter } = options
  const page = await deskOf(options).list({ ...filter, limit: Number(limit) })
  if (json === true) return printJson(page)
  if (page.items.length === 0 && page.next === undefined) return say('No findings.')
  const heads = ['FINDING', 'SEVERITY', 'STATE', 'WHO', 'WHERE', 'SESSION', 'WHAT']
  say(page.items.length === 0 ? 'None so far.' : table([heads, ...page.items.map(cells)]))
  if (page.next !== undefined) say(`There are more: --cursor ${printableLine(page.next)}`)
}

function cells(finding: FindingView): string[] {
  const { id, severity, state, principal, target, session, sentence, below } = finding
  const what = below === undefined ? sentence : `${sentence} (below the line: ${below})`
  return [id, severity, state, principal, target, session, what]
}

function print(finding: FindingInFull, { json }: WithJson): void {
  if (json === true) return printJson(finding)
  const { unusualness, assignee, refusal, proposal, context, snoozedUntilMs } = finding
  const facts: [string, string][] = [
    ['finding', finding.id],
    ['state', finding.state],
    ['severity', finding.severity],
    ...(unusualness === undefined ? [] : [pair('differs by', `${unusualness.toFixed(1)} nats`)]),
    ['who', finding.isMasked ? `${finding.principal} (a pseudonym)` : finding.principal],
    ['target', finding.target],
    ['session', finding.session],
    ['at (UTC)', new Date(finding.atMs).toISOString()],
    ['rules', finding.rules.join(', ')],
    ...finding.techniques.map(({ id, name }) => pair('ATT&CK', `${id} ${name}`)),
    ...context.map(({ name, value }) => pair(name.toLowerCase(), value)),
    ...(assignee === undefined ? [] : [pair('assigned to', assignee)]),
    ...(snoozedUntilMs === undefined ? [] : [pair('snoozed until', new Date(snoozedUntilMs).toISOString())]),
    ...(proposal === undefined
      ? []
      : [pair('to be closed', `as ${proposal.reason}, says ${proposal.by}; somebody else has to agree`)]),
    ...(refusal === undefined ? [] : [pair('you', refusal)]),
  ]
  say(printableLine(finding.sentence))
  say(table(facts))
  section('Why', finding.why.flatMap(reasonLines))
  section(
    'Quotes',
    finding.quotes.map(({ offsetMs, text }) => `${clockTime(offsetMs)}  ${text}`),
  )
  section('Check first', finding.benign)
  section('How sure', finding.quality)
  section(
    'Versions',
    Object.entries(finding.versions).map(([name, version]) => `${name}: ${version}`),
  )
  section(
    'History',
    finding.history.map(
      ({ atMs, by, what, note }) =>
        `${new Date(atMs).toISOString()}  ${by}: ${what}${note === undefined ? '' : `: ${note}`}`,
    ),
  )
}

function pair(name: string, value: string): [string, string] {
  return [name, value]
}

function reasonLines({ observed, own, peers, everybody, adds }: FindingInFull['why'][number]): string[] {
  return [
    adds === undefined ? observed : `${observed} (+${adds.toFixed(1)})`,
    ...(own === undefined ? [] : [`  own: ${own}`]),
    ...(peers === undefined ? [] : [`  peers: ${peers}`]),
    ...(everybody === undefined ? [] : [`  everybody: ${everybody}`]),
  ]
}

function section(title: string, lines: readonly string[]): void {
  if (lines.length === 0) return
  say(`\n${title}`)
  for (const line of lines) say(`  ${printableLine(line)}`)
}

function printReport(report: FairnessReport): void {
  const { sessions, findings, people, closed, names } = report
  say(`Findings from ${day(report.fromMs)} to ${day(report.untilMs)} (UTC), without names.`)
  if (!report.isWhole) say('There is more than this report looks at: choose fewer days.')
  const facts: [string, string][] = [
    ['people', String(people)],
    ['sessions', String(sessions)],
    ['findings', String(findings)],
    ['largest share of one person', percent(report.maxShare)],
    ['Gini', report.gini === undefined ? 'fewer than 5 people' : report.gini.toFixed(2)],
    ['closed', `${closed}, ${percent(report.benignShare)} as harmless`],
    ['median time to close', report.medianMsToClose === undefined ? '–' : lasting(report.medianMsToClose)],
    ['names', `${names.asked} asked for, ${names.shown} shown, ${names.refused} refused`],
  ]
  say(table(facts))
  groups('ROLE', report.byRole)
  groups('BEGAN (UTC)', report.byHour)
  if (report.noisiest.length === 0) return
  say('')
  say(
    table([
      ['RULE', 'FINDINGS', 'CLOSED', 'HARMLESS', 'ADVICE'],
      ...report.noisiest.map(rule => [
        rule.group,
        String(rule.findings),
        String(rule.closed),
        percent(rule.benignShare),
        rule.advice ?? '',
      ]),
    ]),
  )
}

function groups(head: string, rows: readonly FairnessGroup[]): void {
  if (rows.length === 0) return
  say('')
  say(
    table([
      [head, 'PEOPLE', 'SESSIONS', 'FINDINGS', 'OF 100 SESSIONS'],
      ...rows.map(row => [
        row.name,
        String(row.people),
        String(row.sessions),
        String(row.findings),
        row.perHundred.toFixed(1),
      ]),
    ]),
  )
}

function percent(share: number | undefined): string {
  return share === undefined ? '–' : `${Math.round(share * 100)} %`
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
