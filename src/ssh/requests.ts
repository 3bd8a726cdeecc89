/** What the channel requests of RFC 4254, section 6, carry, decoded for the recording. The bytes themselves pass unchanged. */
import type { RecordedEvent } from '../recorder/event.ts'
import { WireReader } from '../wire.ts'

/** Terminals larger than this are refused: replaying them would take the memory of the auditor's machine. */
export const maxTerminalCells = 1_000_000

/** Bytes of a command, a variable or a subsystem name that are accepted: Linux's own limit for one argument. */
export const maxRequestFieldBytes = 128 * 1024

/**
 * Variables that a client may set on a target: language and terminal, as in sshd_config's usual AcceptEnv.
 * Others (LD_PRELOAD, BASH_ENV…) change what runs there.
 */
export function mayPassVariable(name: string): boolean {
  return /^(LANG|LANGUAGE|LC_[A-Z]+|COLORTERM|TERM_PROGRAM|TERM_PROGRAM_VERSION|TZ|NO_COLOR)$/.test(name)
}

type Size = { columns: number; rows: number; widthPx: number; heightPx: number }

function readSize(reader: WireReader): Size {
  return {
    columns: reader.uint32(),
    rows: reader.uint32(),
    widthPx: reader.uint32(),
    heightPx: reader.uint32(),
  }
}

export function isReplayable(size: { columns: number; rows: number }): boolean {
  return size.columns * size.rows <= maxTerminalCells
}

/** RFC 4254, section 6.2. Terminal modes stay raw bytes: a mode that we do not know still reaches the target. */
export function decodePtyRequest(channel: number, fields: Buffer): RecordedEvent & { type: 'pty' } {
  const reader = new WireReader(fields)
  const term = reader.text()
  const size = readSize(reader)
  const modes = reader.string().toString('hex')
  reader.end()
  return { type: 'pty', channel, term, ...size, modes }
}

/** RFC 4254, section 6.7. */
export function decodeWindowChange(channel: number, fields: Buffer): RecordedEvent & { type: 'resize' } {
  const reader = new WireReader(fields)
  const size = readSize(reader)
  reader.end()
  return { type: 'resize', channel, ...size }
}

/** RFC 4254, section 6.4: name and value; neither needs to be UTF-8, but only names that are can be allowed. */
export function decodeEnvironment(fields: Buffer): { name: string; value: string } {
  const reader = new WireReader(fields)
  const name = reader.string().toString('utf8')
  const value = reader.string().toString('utf8')
  reader.end()
  return { name, value }
}

/** RFC 4254, section 6.5: a command (any bytes) or a subsystem's name. */
export function decodeSingleString(fields: Buffer): Buffer {
  const reader = new WireReader(fields)
  const value = reader.string()
  reader.end()
  return value
}

/** RFC 4254, section 6.9: a signal's name without "SIG". */
export function decodeSignal(channel: number, fields: Buffer): RecordedEvent & { type: 'signal' } {
  return { type: 'signal', channel, name: decodeSingleString(fields).toString('utf8') }
}

/** RFC 4254, section 6.10. */
export function decodeExitStatus(channel: number, fields: Buffer): RecordedEvent & { type: 'exit-status' } {
  const reader = new WireReader(fields)
  const status = reader.uint32()
  reader.end()
  return { type: 'exit-status', channel, status }
}

/** RFC 4254, section 6.10. OpenSSH also sends names of its own (`SIG@openssh.com`); they pass as they are. */
export function decodeExitSignal(channel: number, fields: Buffer): RecordedEvent & { type: 'exit-signal' } {
  const reader = new WireReader(fields)
  const name = reader.string().toString('utf8')
  const coreDumped = reader.boolean()
  const message = reader.string().toString('utf8')
  reader.string()
  reader.end()
  return { type: 'exit-signal', channel, name, coreDumped, message }
}
