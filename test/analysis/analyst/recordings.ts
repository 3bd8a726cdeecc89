/** Recordings for tests of the analyst, made by the recorder. */
import { join } from 'node:path'
import { systemClock } from '../../../src/clock.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import type { Recorder, RecorderOptions, Recording } from '../../../src/recorder/recorder.ts'
import type { SessionRow } from '../../../src/model.ts'
import { newBench, newGrant, startRecorder, turn, type Bench } from '../../recorder/support.ts'

export class Recordings {
  readonly bench: Bench = newBench()
  readonly recorder: Recorder
  readonly rows: SessionRow[] = []

  constructor(options: Partial<RecorderOptions> = {}) {
    this.recorder = startRecorder(this.bench, { clock: systemClock, ...options })
  }

  async open(session: string, protocol: 'ssh' | 'postgres' = 'ssh'): Promise<Recording> {
    const grant = newGrant()
    const recording = this.recorder.open(grant, { session, protocol }, await this.recorder.newKey())
    this.rows.unshift(this.#rowOf(session, protocol, recording.path))
    return recording
  }

  fileOf(recording: Recording): string {
    return join(this.bench.folder, recording.path)
  }

  /** Each in a turn of its own, so that they have times of their own. */
  async record(recording: Recording, events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) {
      recording.record(event)
      await turn()
    }
  }

  ended(session: string, state: 'ended' | 'interrupted' = 'ended'): void {
    const at = this.rows.findIndex(({ id }) => id === session)
    const row = this.rows[at]
    if (row !== undefined) this.rows[at] = { ...row, state, endedAtMs: Date.now() }
  }

  #rowOf(id: string, protocol: 'ssh' | 'postgres', recording: string): SessionRow {
    return {
      id,
      protocol,
      issuer: 'https://login.example.com',
      subject: 'u-1',
      principalName: 'Ada Example',
      target: 'web1',
      login: 'root',
      role: 'admin',
      sourceAddress: '192.0.2.7',
      owner: 'o',
      openedAtMs: Date.now(),
      endedAtMs: undefined,
      state: 'open',
      endReason: undefined,
      recording,
      labels: { env: 'prod' },
    }
  }
}

const pty: RecordedEvent = {
  type: 'pty',
  channel: 0,
  term: 'xterm',
  columns: 80,
  rows: 24,
  widthPx: 0,
  heightPx: 0,
  modes: '',
}

/** As bash shows it: it edits lines by itself until Enter. */
const prompt = '\x1b[?2004hada@web1:~$ '

export function shell(): RecordedEvent[] {
  return [
    { type: 'channel-open', channel: 0, kind: 'session' },
    pty,
    { type: 'shell', channel: 0 },
    shown(`Welcome.\r\n${prompt}`),
  ]
}

export function shown(text: string, channel = 0): RecordedEvent {
  return { type: 'output', channel, data: Buffer.from(text) }
}

/** A line as it is typed and echoed, and what it prints. */
export function typed(line: string, prints = ''): RecordedEvent[] {
  const keys = Array.from(line, character => [
    { type: 'input-count', channel: 0, bytes: 1 } as const,
    shown(character),
  ]).flat()
  const enter = { type: 'input-count', channel: 0, bytes: 1 } as const
  return [...keys, enter, shown(`\r\n\x1b[?2004l\r${prints}${prompt}`)]
}

export function exec(command: string, channel = 1, status = 0): RecordedEvent[] {
  return [
    { type: 'channel-open', channel, kind: 'session' },
    { type: 'exec', channel, command: Buffer.from(command) },
    { type: 'exit-status', channel, status },
    { type: 'channel-close', channel },
  ]
}

export function statement(number: number, text: string, rows = 1): RecordedEvent[] {
  return [
    { type: 'statement', statement: number, how: 'simple', text },
    {
      type: 'result',
      statement: number,
      status: 'done',
      tag: `SELECT ${rows}`,
      rows,
      bytes: rows * 10,
      us: 1500,
    },
  ]
}
