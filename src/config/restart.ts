import type { Config } from './config.ts'

/**
 * The keys whose change a reload cannot apply to a running gateway: what it is bound to (sockets, folders), and what
 * its live sessions were proven by (the issuer). Empty if the new configuration can be taken over as it is.
 */
export function diffNeedsRestart(before: Config, after: Config): readonly string[] {
  const old = boundValues(before)
  const now = boundValues(after)
  return Object.keys(old).filter(key => old[key] !== now[key])
}

/** Values as text, so that they compare by what they say. */
function boundValues({
  gateway,
  ssh,
  postgres,
  web,
  identity,
  log,
  recording,
  analysis,
}: Config): Record<string, string> {
  return {
    'gateway.name': gateway.name,
    'gateway.data': gateway.data,
    'gateway.keys': gateway.keys ?? '',
    'ssh.listen': JSON.stringify(ssh?.listen ?? null),
    'postgres.listen': JSON.stringify(postgres?.listen ?? null),
    'postgres.tls': postgres?.tls === undefined ? '' : 'with TLS',
    'postgres.serverName': postgres?.serverName ?? '',
    'postgres.workers': String(postgres?.workers ?? 0),
    'postgres.oauth': JSON.stringify(postgres?.oauth ?? null),
    'web.listen': JSON.stringify(web?.listen ?? null),
    'web.url': web?.url ?? '',
    'web.bearer': JSON.stringify(web?.bearer ?? null),
    'web.tls': web?.tls === undefined ? '' : 'with TLS',
    'identity.issuer': identity.issuer,
    'log.publish': JSON.stringify(log.publish),
    'analysis.sigma': analysis.sigma ?? '',
    'analysis.index': String(analysis.index),
    'analysis.off': JSON.stringify(analysis.off),
    'analysis.baselines': JSON.stringify(analysis.baselines),
    'recording.folder': recording.folder,
    'recording.sync': recording.sync,
    'recording.appendTimeout': String(recording.appendTimeoutMs),
    'recording.reserve': String(recording.reserveBytes),
    'recording.store': JSON.stringify(recording.s3 ?? 'local'),
  }
}
