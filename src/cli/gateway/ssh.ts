/** What the SSH listener, and every session whatever its protocol, needs of the rest. */
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import type { Authorities } from '../../credentials/authority.ts'
import { openSshPrivateKey } from '../../credentials/ssh-key.ts'
import { TargetHostKeys } from '../../credentials/target-host-keys.ts'
import { checkSignInCertificate } from '../../identity/sign-in-certificate.ts'
import type { Log } from '../../log.ts'
import type { IndexQueue } from '../../recorder/index-queue.ts'
import type { LiveSessions } from '../../session/live.ts'
import { type SshListener, type SshListenerParts, startSshListener } from '../../ssh/listener.ts'
import { noCopies } from '../../ssh/sftp/copies.ts'
import { foldersOf } from '../folders.ts'
import { trustsIssuer } from '../trusted-issuers.ts'
import type { Ground } from './ground.ts'
import { type SignIns, sshLimitsOf } from './sign-ins.ts'

type Parts = {
  readonly ground: Ground
  readonly config: () => Config
  readonly signIns: SignIns
  readonly live: LiveSessions
  readonly indexes: IndexQueue
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
}

export function sshPartsOf(parts: Parts): SshListenerParts {
  const { ground, config, signIns, audit, clock, log } = parts
  const { engine, store, authorities } = ground
  const hostKeys = new OpenSshHostKeys()
  return {
    engine,
    hostKeys: () => hostKeys.of(authorities),
    gatewayName: config().gateway.name,
    limits: () => sshLimitsOf(config()),
    keepOutputBytes: () => config().recording.keepOutputBytes,
    copies: wanted => {
      const { files, copyBytes: fileBytes, copySessionBytes: sessionBytes } = config().recording
      return (wanted ?? files) === 'copy' ? { fileBytes, sessionBytes } : noCopies
    },
    keepForwardBytes: () =>
      config().recording.forwards === 'content' ? config().recording.keepOutputBytes : 0,
    signIns: signIns.waiting.ssh,
    keys: keySignIns(parts),
    session: sessionParts(parts),
    upstream: {
      engine,
      hostKeys: { store, audit, clock },
      mint: { store, audit, clock, authority: authorities.targets, owner: ground.lock.ownerId },
    },
    targetHostKeys: new TargetHostKeys({
      folder: foldersOf(config()).targetHostKeys,
      authority: authorities.hosts,
      clock,
    }),
    audit,
    clock,
    log,
  }
}

function keySignIns({ ground, config, signIns, clock, log }: Parts): SshListenerParts['keys'] {
  const { ring } = ground.authorities
  return {
    enrolled: signIns.keys,
    webUrl: config().web?.url ?? '',
    checkCertificate: (proven, sourceAddress) =>
      checkSignInCertificate(proven, {
        authorities: ring.accepted('sign-in', clock.nowMs()),
        gatewayName: config().gateway.name,
        sourceAddress,
        nowMs: clock.nowMs(),
        trustsIssuer: url => trustsIssuer(config(), url),
      }),
    log,
  }
}

function sessionParts(parts: Parts): SshListenerParts['session'] {
  const { ground, config, live, indexes, audit, clock, log } = parts
  return {
    store: ground.store,
    audit,
    recorder: ground.recorder,
    live,
    clock,
    log,
    owner: ground.lock.ownerId,
    policy: config,
    maxSessionsPerPrincipal: () => sshLimitsOf(config()).maxSessionsPerPrincipal,
    limits: () => config().recording.limits,
    onSealed: session => {
      // Where the local copy goes at once, whoever fetches the recording makes its index.
      const { s3, folder } = config().recording
      if (s3?.keepLocalMs !== 0) indexes.add(join(folder, session.recording))
    },
  }
}

/** Throws Fault PORT_IN_USE. */
export async function startSsh(config: Config, parts: SshListenerParts): Promise<SshListener | undefined> {
  return config.ssh === undefined ? undefined : startSshListener(config.ssh.listen, parts)
}

/** In the form that the SSH engine reads: one and the same array for as long as the keys are the same. */
class OpenSshHostKeys {
  #keys: readonly KeyObject[] = []
  #pems: readonly string[] = []

  of({ gatewayHostKey, gatewayRsaHostKey }: Authorities): readonly string[] {
    const keys = [gatewayHostKey, gatewayRsaHostKey]
    if (keys.some((key, at) => key !== this.#keys[at])) {
      this.#keys = keys
      this.#pems = keys.map(openSshPrivateKey)
    }
    return this.#pems
  }
}
