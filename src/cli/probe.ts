/** What `sallyport check` asks of the world: can the issuer be reached, do targets prove themselves, do they trust us? */
import type { AuditLog } from '../audit/audit-log.ts'
import type { Config, PostgresTarget, SshTarget, Target } from '../config/config.ts'
import { defaultSshLimits } from '../config/ssh-limits.ts'
import { checkBroker, checkLogin, type Remark } from '../credentials/postgres/check.ts'
import { reasonOf } from '../errors.ts'
import type { Signer } from '../model.ts'
import type { Issuer } from '../identity/issuer.ts'
import { matchesTarget } from '../policy/rules.ts'
import type { SshListenerParts } from '../ssh/listener.ts'
import { ident, transportLimits } from '../ssh/passage.ts'
import { probeUpstream } from '../ssh/upstream.ts'
import type { PostgresCredentials } from './postgres-credentials.ts'

export type ProbeResult = { readonly what: string; readonly ok: boolean; readonly text: string }

export type ProbeParts = {
  readonly audit: AuditLog
  readonly upstream: SshListenerParts['upstream']
  /** The key of the targets authority that is announced, if one is: do targets trust it already? */
  readonly nextTargetsKey: Signer | undefined
  readonly issuer: Issuer
  readonly postgres: Pick<PostgresCredentials, 'brokers' | 'tryLogin'>
}

/** Tries the issuer and each login of each target, one after the other. Never throws: what fails is a result. */
export async function probeTargets(config: Config, parts: ProbeParts): Promise<readonly ProbeResult[]> {
  const results = [await probeIssuer(parts.issuer)]
  for (const target of config.targets) {
    const logins = loginsOf(config, target)
    if (logins.length === 0)
      results.push({ what: target.name, ok: false, text: 'no role allows any login on it' })
    if (target.protocol === 'postgres') results.push(...(await probePostgres(target, logins, parts)))
    else for (const login of logins) results.push(...(await probeLogins(target, login, config, parts)))
  }
  return results
}

/** The broker first: where it is wrong, no login works. */
async function probePostgres(
  target: PostgresTarget,
  logins: readonly string[],
  { postgres, audit }: ProbeParts,
): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = []
  if (target.connector === 'role')
    results.push(
      ...(await remarks(`broker of ${target.name}`, () =>
        checkBroker(postgres.brokers.of(target), target, logins),
      )),
    )
  if (results.some(result => !result.ok)) return results
  for (const login of logins) {
    const what = `${login}@${target.name}`
    if (target.connector === 'role')
      results.push(...(await remarks(what, () => checkLogin(postgres.brokers.of(target), login))))
    const probe = audit.probe(target.name, `check of login ${login}`)
    results.push(await attempt(what, () => postgres.tryLogin(probe, target, login)))
  }
  return results
}

async function remarks(
  what: string,
  work: () => Promise<readonly Remark[]>,
): Promise<readonly ProbeResult[]> {
  try {
    return (await work()).map(remark => ({ what, ...remark }))
  } catch (cause) {
    return [{ what, ok: false, text: reasonOf(cause) }]
  }
}

async function probeIssuer(issuer: Issuer): Promise<ProbeResult> {
  return attempt(`issuer ${issuer.url}`, async () => {
    await issuer.discover()
    return 'answers'
  })
}

/** With the key that signs, and with the one that is to sign next. */
async function probeLogins(
  target: SshTarget,
  login: string,
  config: Config,
  parts: ProbeParts,
): Promise<readonly ProbeResult[]> {
  const { upstream, nextTargetsKey } = parts
  const what = `${login}@${target.name}`
  const now = await probeLogin(what, target, login, config, parts)
  if (nextTargetsKey === undefined) return [now]
  const mint = { ...upstream.mint, authority: nextTargetsKey }
  const withNext = { ...parts, upstream: { ...upstream, mint } }
  return [now, await probeLogin(`${what} with the next key of targets`, target, login, config, withNext)]
}

function probeLogin(
  what: string,
  target: SshTarget,
  login: string,
  config: Config,
  parts: ProbeParts,
): Promise<ProbeResult> {
  const limits = config.ssh?.limits ?? defaultSshLimits
  const probe = parts.audit.probe(target.name, `check of login ${login}`)
  return attempt(what, async () => {
    const proof = await probeUpstream(
      probe,
      { target, login },
      { ...parts.upstream, ident, limits: transportLimits(limits), timeoutMs: limits.upstreamTimeoutMs },
    )
    return `host key ${proof.fingerprint} (${proof.by}), trusts our authority`
  })
}

async function attempt(what: string, work: () => Promise<string>): Promise<ProbeResult> {
  try {
    return { what, ok: true, text: await work() }
  } catch (cause) {
    return { what, ok: false, text: reasonOf(cause) } // the log's text: whoever checks is the operator
  }
}

/** Every login that some role allows on the target. */
export function loginsOf(config: Config, target: Target): readonly string[] {
  const rules = config.roles.flatMap(role => role.allow).filter(rule => matchesTarget(rule.targets, target))
  return [...new Set(rules.flatMap(rule => rule.logins))]
}
