/**
 * Checks across sections. They look at the values as written, not at the parsed ones, so that a mistake in one place
 * does not hide the mistakes in another: whatever has the wrong shape here is skipped, since the schema has told of it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isLoopback } from './network.ts'
import type { Path } from './document.ts'
import { readPublicFile, readSecret, type SecretSources } from './secret-reference.ts'
import { didYouMean } from './suggest.ts'
import { parseEndpoint, parseRoleName } from './values.ts'

export type Issue = {
  readonly path: Path
  readonly message: string
  readonly suggestion?: string | undefined
  /** The key itself is the mistake, not its value. */
  readonly atKey?: true
}

/** All that is wrong between sections. Never throws, whatever the file holds. */
export function crossCheck(raw: unknown, sources: SecretSources): Issue[] {
  return [
    ...checkListeners(raw),
    ...tlsPairs(raw).flatMap(path => checkTlsPair(raw, path, sources)),
    ...checkMachines(raw),
    ...checkTargetNames(raw),
    ...checkRoleNames(raw),
    ...checkTargetMatches(raw),
    ...checkProtocolsOfRules(raw),
    ...checkApprovers(raw),
  ]
}

function checkListeners(raw: unknown): Issue[] {
  const issues: Issue[] = []
  const web = at(raw, 'web')
  const doors = ['ssh', 'postgres'].filter(section => at(raw, section) !== undefined)
  if (isObject(raw) && doors.length === 0 && web === undefined)
    issues.push({
      path: [],
      message: 'says none of `ssh`, `postgres` and `web`, so there is nothing to serve',
    })
  if (web === undefined)
    for (const door of doors)
      issues.push({ path: [door], message: 'needs `web` beside it: people sign in on its pages' })
  issues.push(...checkPostgresListener(at(raw, 'postgres')))
  const listen = parseEndpoint(at(web, 'listen'), { allowAnyPort: true })
  const isOpen = listen.ok && !isLoopback(listen.value.host)
  if (isOpen && at(web, 'tls') === undefined && at(web, 'behindProxy') !== true)
    issues.push({
      path: ['web', 'listen'],
      message: 'is open to the network without TLS',
      suggestion: 'add web.tls, listen on 127.0.0.1, or say behindProxy: true if a proxy in front ends TLS',
    })
  return issues
}

/** Passwords of people go over it: without TLS, only on this machine. */
function checkPostgresListener(postgres: unknown): Issue[] {
  if (postgres === undefined || at(postgres, 'tls') !== undefined) return []
  return [['listen'], ['oauth', 'listen']].flatMap(path => {
    const listen = parseEndpoint(at(postgres, ...path), { allowAnyPort: true })
    if (!listen.ok || isLoopback(listen.value.host)) return []
    const suggestion = 'add postgres.tls, or listen on 127.0.0.1'
    return [{ path: ['postgres', ...path], message: 'is open to the network without TLS', suggestion }]
  })
}

/** Where a certificate and its key stand side by side. */
function tlsPairs(raw: unknown): Path[] {
  const targets = at(raw, 'targets')
  const brokers = Array.isArray(targets) ? targets.map((_, index): Path => ['targets', index, 'broker']) : []
  return [['web', 'tls'], ['postgres', 'tls'], ...brokers]
}

function checkTlsPair(raw: unknown, path: Path, sources: SecretSources): Issue[] {
  if (sources.withoutSecrets === true) return []
  const tls = at(raw, ...path)
  const certificate = readPublicFile(at(tls, 'certificate'), sources)
  const key = readSecret(at(tls, 'key'), sources)
  const issues: Issue[] = []
  const x509 = certificate.ok ? attempt(() => new X509Certificate(certificate.value.reveal())) : undefined
  if (certificate.ok && x509 === undefined)
    issues.push({ path: [...path, 'certificate'], message: 'is not a certificate in PEM' })
  const privateKey = key.ok ? attempt(() => createPrivateKey(key.value.reveal())) : undefined
  if (key.ok && privateKey === undefined)
    issues.push({ path: [...path, 'key'], message: 'is not a private key in PEM without a passphrase' })
  if (x509 !== undefined && privateKey !== undefined && !x509.checkPrivateKey(privateKey))
    issues.push({ path: [...path, 'key'], message: 'does not belong to the certificate' })
  return issues
}

/** Or a person's own ID token would be worth a machine's certificate. */
function checkMachines(raw: unknown): Issue[] {
  const identity = at(raw, 'identity')
  const machines = at(identity, 'machines')
  if (!Array.isArray(machines)) return []
  return machines.flatMap((machine: unknown, index) => {
    const same =
      at(machine, 'issuer') === at(identity, 'issuer') && at(machine, 'audience') === at(identity, 'clientId')
    const path = ['identity', 'machines', index, 'audience']
    const suggestion = 'let machines ask for another audience'
    return same ? [{ path, message: "is also that of people's tokens", suggestion }] : []
  })
}

function checkTargetNames(raw: unknown): Issue[] {
  const seen = new Set<string>()
  return targetsOf(raw).flatMap(({ name, index }) => {
    // Names that differ only in case would be mistaken for each other, by people and by logs.
    const key = name.toLowerCase()
    if (!seen.has(key)) return seen.add(key) && []
    return [{ path: ['targets', index, 'name'], message: `\`${name}\` is the name of another target` }]
  })
}

function checkRoleNames(raw: unknown): Issue[] {
  return keysOf(at(raw, 'roles')).flatMap(name => {
    const parsed = parseRoleName(name)
    return parsed.ok
      ? []
      : [{ path: ['roles', name], message: `has a name that ${parsed.message}`, atKey: true }]
  })
}

/** Nobody could ever approve that a name is shown. */
function checkApprovers(raw: unknown): Issue[] {
  const approvers = at(raw, 'analysis', 'pseudonyms', 'approvers')
  if (!Array.isArray(approvers)) return []
  const roles = keysOf(at(raw, 'roles'))
  return approvers.flatMap((name: unknown, index) => {
    if (typeof name !== 'string' || roles.includes(name)) return []
    const path = ['analysis', 'pseudonyms', 'approvers', index]
    return [
      {
        path,
        message: `names the role \`${name}\`, which does not exist`,
        suggestion: didYouMean(name, roles),
      },
    ]
  })
}

/** A rule that matches no target is a typing mistake, which should not wait for somebody to be refused. */
function checkTargetMatches(raw: unknown): Issue[] {
  const targets = targetsOf(raw)
  return matchPaths(raw).flatMap(path => checkTargetMatch(at(raw, ...path), path, targets))
}

function checkTargetMatch(match: unknown, path: Path, targets: readonly RawTarget[]): Issue[] {
  const name = at(match, 'name')
  const named = targets.filter(target => target.name === name)
  if (typeof name === 'string' && named.length === 0) {
    const suggestion = didYouMean(
      name,
      targets.map(target => target.name),
    )
    return [
      { path: [...path, 'name'], message: `names the target \`${name}\`, which does not exist`, suggestion },
    ]
  }
  const protocol = at(match, 'protocol')
  if (
    typeof protocol === 'string' &&
    targets.length > 0 &&
    !targets.some(target => target.protocol === protocol)
  )
    return [{ path: [...path, 'protocol'], message: `is for \`${protocol}\`, and no target speaks it` }]
  const labels = at(match, 'labels')
  const unknown = keysOf(labels).filter(key => !targets.some(target => at(target.labels, key) !== undefined))
  if (unknown.length > 0) return unknown.map(key => unknownLabel([...path, 'labels'], key, targets))
  const wanted = keysOf(labels).map(key => [key, at(labels, key)] as const)
  const candidates = typeof name === 'string' ? named : targets
  if (
    wanted.length === 0 ||
    candidates.some(target => wanted.every(([key, value]) => at(target.labels, key) === value))
  )
    return []
  return [{ path: [...path, 'labels'], message: 'match no target' }]
}

/** Keys of allow rules that mean nothing to targets of the other protocol. */
const onlyFor: readonly (readonly [string, readonly string[]])[] = [
  ['ssh', ['channels', 'exec', 'forward', 'files', 'zmodem']],
  ['postgres', ['deny', 'mask', 'replication', 'passwords']],
]

/** A rule that only covers targets of one protocol must not seem to limit what happens on the other. */
function checkProtocolsOfRules(raw: unknown): Issue[] {
  const targets = targetsOf(raw)
  return matchPaths(raw).flatMap(path => {
    const rule = path.slice(0, -1)
    const covered = targets.filter(target => coversTarget(at(raw, ...path), target))
    if (covered.length === 0) return []
    return onlyFor.flatMap(([protocol, keys]) =>
      covered.some(target => target.protocol === protocol)
        ? []
        : keys
            .filter(key => at(raw, ...rule, key) !== undefined)
            .map(key => useless([...rule, key], protocol)),
    )
  })
}

function useless(path: Path, protocol: string): Issue {
  const message = `means something only on targets of the protocol \`${protocol}\`, and this rule covers none`
  return { path, message, atKey: true }
}

function coversTarget(match: unknown, target: RawTarget): boolean {
  const [name, protocol, labels] = ['name', 'protocol', 'labels'].map(key => at(match, key))
  return (
    (name === undefined || name === target.name) &&
    (protocol === undefined || protocol === target.protocol) &&
    keysOf(labels).every(key => at(labels, key) === at(target.labels, key))
  )
}

function unknownLabel(path: Path, key: string, targets: readonly RawTarget[]): Issue {
  const known = [...new Set(targets.flatMap(target => keysOf(target.labels)))]
  return {
    path: [...path, key],
    message: 'is a label that no target has',
    suggestion: didYouMean(key, known),
    atKey: true,
  }
}

/** Where the file says `targets: { … }` inside a role. */
function matchPaths(raw: unknown): Path[] {
  return keysOf(at(raw, 'roles')).flatMap(role =>
    ['allow', 'review'].flatMap(kind => {
      const rules = at(raw, 'roles', role, kind)
      if (!Array.isArray(rules)) return [['roles', role, kind, 'targets']]
      return rules.map((_, index): Path => ['roles', role, kind, index, 'targets'])
    }),
  )
}

type RawTarget = {
  readonly name: string
  readonly index: number
  readonly labels: unknown
  readonly protocol: unknown
}

function targetsOf(raw: unknown): RawTarget[] {
  const targets = at(raw, 'targets')
  if (!Array.isArray(targets)) return []
  return targets.flatMap((target: unknown, index) => {
    const name = at(target, 'name')
    return typeof name === 'string'
      ? [{ name, index, labels: at(target, 'labels'), protocol: at(target, 'protocol') }]
      : []
  })
}

function at(value: unknown, ...path: Path): unknown {
  let here = value
  for (const step of path) {
    if (Array.isArray(here)) here = here[Number(step)]
    else if (isObject(here) && Object.hasOwn(here, step)) here = here[step]
    else return undefined
  }
  return here
}

function keysOf(value: unknown): string[] {
  return isObject(value) ? Object.keys(value) : []
}

function isObject(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
