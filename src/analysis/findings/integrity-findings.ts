/** Findings about recordings and logs themselves. They say what is wrong with a file, and nothing of what somebody did. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { FindingDraft } from './finding.ts'

/** In place of a session's id, where a finding is about the gateway. */
export const noSession = ''
/** Reasons that are told. */
const maxReasons = 5
const notPerson = 'This is about files of the gateway, not about what somebody did in the session.'

type Said = {
  readonly group: string
  readonly severity: FindingDraft['severity']
  readonly sentence: string
  readonly observed: readonly string[]
  readonly check: readonly string[]
  readonly quality: string
}

/** A stored recording failed its check. */
export function recordingNotWhole(session: string, problem: string, atMs: number): FindingDraft {
  return draft(session, atMs, {
    group: 'integrity-verify',
    severity: 'high',
    sentence: 'The stored recording of this session is not as it was sealed.',
    observed: [problem],
    check: ['a fault of the disk', 'a restore of an older backup', 'a file that was opened and saved'],
    quality:
      'Signatures and hashes were checked: exact. `sallyport verify` on the file says the same, offline.',
  })
}

/** The gateway stopped in the session, and not all of it could be saved. `notes`: as in the seal. */
export function recordingLostBytes(session: string, notes: readonly string[], atMs: number): FindingDraft {
  return draft(session, atMs, {
    group: 'integrity-recovered',
    severity: 'medium',
    sentence: 'The gateway stopped during this session, and a part of the recording could not be saved.',
    observed: notes,
    check: ['a power cut', 'a full or failing disk', 'a process that was killed'],
    quality: 'The seal of the recording holds the same notes. What is there is whole.',
  })
}

/** The analysis could not read it to its end. */
export function recordingUnread(session: string, problem: string, atMs: number): FindingDraft {
  return draft(session, atMs, {
    group: 'integrity-unread',
    severity: 'medium',
    sentence:
      'The analysis could not read all of this recording: rules and baselines saw a part of it, or nothing.',
    observed: [problem],
    check: [
      'a fault of the disk',
      'a fault of this program: tell its maintainers',
      'a restart that came in between',
    ],
    quality: 'No finding of a rule here does not mean that none was met.',
  })
}

/** A log that does not check: where, and why. One finding for each such place, however often it is checked. */
export function logNotWhole(
  log: 'audit log' | 'log of sessions',
  { file, record, offset, reason }: { file: string; record: number; offset: number; reason: string },
  atMs: number,
): FindingDraft {
  const place = `${basename(file)}, record ${record}, byte ${offset}: ${reason}.`
  const digest = createHash('sha256').update(place).digest('hex').slice(0, 12)
  return draft(noSession, atMs, {
    group: `integrity-${log.replaceAll(' ', '-')}-${digest}`,
    severity: 'high',
    sentence: `The ${log} of this gateway does not check.`,
    observed: [place],
    check: ['a file that was moved or cut', 'a restore of an older backup', 'a fault of the disk'],
    quality:
      'Every line, hash and signature was checked: exact. `sallyport verify` on the folder says the same.',
  })
}

function draft(session: string, atMs: number, said: Said): FindingDraft {
  const { group, severity, sentence, observed, check, quality } = said
  return {
    session,
    group,
    kind: 'integrity',
    severity,
    rules: [],
    atMs,
    body: {
      sentence,
      why: observed.slice(0, maxReasons).map(text => ({ observed: text })),
      quotes: [],
      techniques: [],
      benign: check,
      quality: [quality, notPerson],
      versions: {},
    },
  }
}
