/** What the channel requests of RFC 4254, section 6, carry, decoded for the recording. The bytes themselves pass unchanged. */
import { Fault } from '../errors.ts'
import type { RecordedEvent } from '../recorder/event.ts'
import { WireReader } from '../wire.ts'

/** Terminals larger than this are refused: replaying them would take the memory of the auditor's machine. */
export const maxTerminalCells = 1_000_000

/** Columns or rows. Without it a terminal of no columns could have four thousand million rows. */
export const maxTerminalSide = 10_000

/** Bytes of a command, a variable or a subsystem name that are accepted: Linux's own limit for one argument. */
export const maxRequestFieldBytes = 128 * 1024

/** RFC 5646, section 4.4.1: longer tags are nobody's; they are passed on and not recorded. */
const maxLanguageTagBytes = 35

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

/** Zero is a size too: clients without a screen say so (RFC 4254, section 6.2). */
export function isReplayable({ columns, rows }: { columns: number; rows: number }): boolean {
  return columns * rows <= maxTerminalCells && Math.max(columns, rows) <= maxTerminalSide
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

/** For requests that carry nothing: bytes that no recording would describe must not ride on them. */
export function expectNothing(fields: Buffer): void {
  new WireReader(fields).end()
}

/** RFC 4335: how long the break is, in milliseconds. */
export function expectBreak(fields: Buffer): void {
  const reader = new WireReader(fields)
  reader.uint32()
  reader.end()
}

/** RFC 4254, section 6.8: whether the client may do flow control by ^S and ^Q. */
export function expectFlowControl(fields: Buffer): void {
  const reader = new WireReader(fields)
  reader.boolean()
  reader.end()
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
  if (reader.string().length > maxLanguageTagBytes)
    throw new Fault('SSH_PROTOCOL', 'A language tag is too long.')
  reader.end()
  return { type: 'exit-signal', channel, name, coreDumped, message }
}
