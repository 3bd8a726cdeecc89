import { generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { keyIdOf } from '../../src/audit/signature.ts'
import type { Clock } from '../../src/clock.ts'
import { restorePrincipal } from '../../src/identity/principal.ts'
import type { Signer } from '../../src/model.ts'
import { decide, type Grant, type Policy } from '../../src/policy/decide.ts'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { openRecorder, type Recorder, type RecorderOptions } from '../../src/recorder/recorder.ts'
import { readRecording } from '../../src/recorder/reader.ts'

export const quiet = pino({ level: 'silent' })

/** An Ed25519 key as the gateway would have one. */
export function newSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  return {
    keyId: keyIdOf(publicKeyPem),
    algorithm: 'ed25519',
    publicKeyPem,
    sign: async data => sign(null, data, privateKey),
  }
}

/** In memory where there is such a place: a seal waits for the disk, and these tests seal thousands of times. */
const scratch = process.env['SALLYPORT_TEST_MEMORY'] ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir())

const folders: string[] = []

function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

/** A folder that is gone when this file's tests are done. */
export function newFolder(): string {
  const folder = mkdtempSync(join(scratch, 'sallyport-test-'))
  if (folders.length === 0) process.once('exit', removeFolders)
  folders.push(folder)
  return folder
}

/** A clock that stands still until it is told. */
export class HeldClock implements Clock {
  ms = Date.parse('2026-11-21T14:00:00Z')
  us = 5_000_000
  nowMs = (): number => this.ms
  monotonicUs = (): number => this.us
  advance(ms: number): void {
    this.ms += ms
    this.us += ms * 1000
  }
}

const policy: Policy = {
  targets: [
    {
      name: 'web1',
      protocol: 'ssh',
      host: '10.0.0.5',
      port: 22,
      labels: { env: 'prod' },
      hostKeys: 'first-use',
      hostAuthorities: [],
    },
  ],
  roles: [
    {
      name: 'admin',
      members: { groups: ['admins'], emails: [] },
      allow: [
        {
          targets: { name: 'web1' },
          logins: ['root'],
          sessions: { maxMs: 3_600_000, idleMs: 60_000 },
          when: {},
          channels: ['shell', 'exec', 'sftp'],
          line: 1,
        },
      ],
      review: [],
    },
  ],
}

/** A grant as policy gives it. */
export function newGrant(nowMs: number = Date.now()): Grant {
  const principal = restorePrincipal({
    tokenHash: '00',
    principal: {
      issuer: 'https://login.example.com',
      subject: 'u-1',
      name: 'Ada Example',
      email: 'ada@example.com',
      emailVerified: true,
      groups: ['admins'],
      authenticatedAtMs: nowMs,
      expiresAtMs: nowMs + 3_600_000,
    },
    createdAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
  })
  const decision = decide(
    policy,
    principal,
    { target: 'web1', login: 'root', sourceAddress: '192.0.2.7' },
    nowMs,
  )
  if (decision.kind === 'deny') throw new Error(decision.denial.userText)
  return decision.grant
}

export type Bench = {
  readonly folder: string
  readonly journalFolder: string
  readonly signer: Signer
  readonly clock: HeldClock
}

export function newBench(): Bench {
  const folder = newFolder()
  return {
    folder: join(folder, 'recordings'),
    journalFolder: join(folder, 'journal'),
    signer: newSigner(),
    clock: new HeldClock(),
  }
}

/** Thousands of recorders are opened here, and each makes room for its journal. */
const smallSegment = 1024 * 1024

export function startRecorder(bench: Bench, options: Partial<RecorderOptions> = {}): Recorder {
  return openRecorder({
    ...bench,
    gateway: 'bastion.example.com',
    log: quiet,
    segmentBytes: smallSegment,
    encryptTo: () => [],
    ...options,
  })
}

/** What was recorded, in a form to compare: data of one channel and stream joined only where it was split by length. */
export function readBack(file: string): { us: number; sequence: number; said: unknown }[] {
  const reader = readRecording(file)
  try {
    return Array.from(reader.events(), ({ us, sequence, event }) => ({
      us,
      sequence,
      said: 'data' in event ? { ...event, data: event.data.toString('hex') } : event.fields,
    }))
  } finally {
    reader.close()
  }
}

export function output(text: string | Buffer, channel = 0): RecordedEvent {
  return { type: 'output', channel, data: Buffer.from(text as string) }
}

/** Until the turn of the event loop is over and its sends have run. */
export function turn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(() => setImmediate(resolve))
  })
}
