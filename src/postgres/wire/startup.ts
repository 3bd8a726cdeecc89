/**
 * The packets before the first frame (PostgreSQL 18, "Message Formats": they have no type byte), and what of a
 * StartupMessage is taken, as values: nothing here touches a socket. Follows backend_startup.c, `ProcessStartupPacket`.
 */
import type { Report } from './backend.ts'
import { cstring, int32, untypedFrame } from './frame-writer.ts'
import { readSettings, type Setting } from './settings.ts'

/** `MAX_STARTUP_PACKET_LENGTH` of pqcomm.h, and length and code that every packet has. */
const packetBytes = { most: 10_000 + 4, least: 8 }

const code = { cancel: 80_877_102, ssl: 80_877_103, gss: 80_877_104 } as const

/** `major << 16 | minor`. */
export const protocol = { v3_0: 196_608, v3_2: 196_610 } as const

/** Names of roles and databases are cut at this by the server, silently; a gateway that decides by names refuses instead. */
export const maxNameBytes = 63

export type Packet =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gss' }
  | { readonly kind: 'cancel'; readonly pid: number; readonly key: Buffer }
  | { readonly kind: 'startup'; readonly startup: Startup }
  /** Said to the client, then its connection ends. */
  | { readonly kind: 'refused'; readonly error: Report }
  /** Not PostgreSQL: nobody would understand an answer. */
  | { readonly kind: 'garbage' }

export type Startup = {
  readonly user: string
  /** What the client asked for; libpq sends the user name where nobody named a database. */
  readonly database: string
  readonly replication: 'no' | 'physical' | 'logical'
  /** Parameters for the server, from the packet and its `options`, in order, without the ones above. */
  readonly settings: readonly Setting[]
  /** The version that the session speaks: what was asked, at most 3.2. */
  readonly version: number
  /** `_pq_.` options, of which we know none; with them, or with a version above ours, the client has to be told. */
  readonly unknownOptions: readonly string[]
  readonly negotiate: boolean
}

/** How long the packet is that starts with these 4 bytes, or undefined if it can be none. */
export function packetLength(first4: Buffer): number | undefined {
  const length = first4.readInt32BE(0)
  return length >= packetBytes.least && length <= packetBytes.most ? length : undefined
}

/** Reads a whole packet, its length included. Total on any bytes. */
export function readPacket(packet: Buffer): Packet {
  const body = packet.subarray(4)
  const asked = body.readInt32BE(0)
  if (asked === code.ssl || asked === code.gss) {
    if (packet.length !== packetBytes.least) return { kind: 'garbage' }
    return { kind: asked === code.ssl ? 'ssl' : 'gss' }
  }
  if (asked === code.cancel) return readCancel(body)
  if (asked >>> 16 !== 3) return unsupported(asked)
  return readStartup(asked, body.subarray(4))
}

/** A key of 1 to 256 bytes (3.2); whether it is as long as ours, the lookup says. */
function readCancel(body: Buffer): Packet {
  const key = body.subarray(8)
  return key.length >= 1 && key.length <= 256
    ? { kind: 'cancel', pid: body.readInt32BE(4), key: Buffer.from(key) }
    : { kind: 'garbage' }
}

function unsupported(asked: number): Packet {
  const major = asked >>> 16
  const minor = asked & 0xffff
  // A port scanner's bytes are no version; PostgreSQL's own were 1 to 3.
  if (major > 100) return { kind: 'garbage' }
  return refused('0A000', `unsupported frontend protocol ${major}.${minor}: this gateway speaks 3.0 to 3.2`)
}

function readStartup(asked: number, bytes: Buffer): Packet {
  const pairs = readPairs(bytes)
  if (pairs === undefined)
    return refused('08P01', 'invalid startup packet layout: expected terminator as last byte')
  const unknownOptions = [...pairs.keys()].filter(name => name.startsWith('_pq_.'))
  const user = pairs.get('user') ?? ''
  if (user === '') return refused('28000', 'no user name in the startup packet', 'Connect as LOGIN@TARGET.')
  const replication = readReplication(pairs.get('replication'))
  if (replication === undefined) return refused('22023', 'invalid value for parameter "replication"')
  const settings = readSettings(pairs)
  if (settings.kind === 'refused') return settings
  const database = pairs.get('database') ?? ''
  return {
    kind: 'startup',
    startup: {
      user,
      database: database === '' ? user : database,
      replication,
      settings: settings.settings,
      version: Math.min(asked, protocol.v3_2),
      unknownOptions,
      negotiate: asked > protocol.v3_2 || unknownOptions.length > 0,
    },
  }
}

/** Pairs of strings and one NUL as the very last byte; of a name that comes twice, the last value. Only UTF-8 is a name. */
function readPairs(bytes: Buffer): Map<string, string> | undefined {
  const pairs = new Map<string, string>()
  let at = 0
  const string = (): string | undefined => {
    const end = bytes.indexOf(0, at)
    if (end === -1) return undefined
    const text = bytes.toString('utf8', at, end)
    const ours = Buffer.byteLength(text) === end - at && Buffer.from(text).equals(bytes.subarray(at, end))
    at = end + 1
    return ours ? text : undefined
  }
  while (at < bytes.length - 1) {
    const name = string()
    if (name === undefined || name === '') return undefined
    const value = string()
    if (value === undefined) return undefined
    pairs.delete(name) // the order is that of the last ones
    pairs.set(name, value)
  }
  return at === bytes.length - 1 && bytes[at] === 0 ? pairs : undefined
}

/** `database`, or what `parse_bool` takes: an unambiguous beginning of true, false, yes, no, on, off, or 1 and 0. */
function readReplication(value: string | undefined): Startup['replication'] | undefined {
  if (value === undefined) return 'no'
  if (value === 'database') return 'logical'
  const word = value.toLowerCase()
  if (/^(t(r(ue?)?)?|y(es?)?|on|1)$/.test(word)) return 'physical'
  if (/^(f(a(l(se?)?)?)?|no?|off?|0)$/.test(word)) return 'no'
  return undefined
}

function refused(sqlstate: string, message: string, hint?: string): Packet {
  const error = { severity: 'FATAL', code: sqlstate, message, ...(hint === undefined ? {} : { hint }) }
  return { kind: 'refused', error }
}

export const sslRequest: Buffer = untypedFrame(int32(code.ssl))

export function encodeCancelRequest(pid: number, key: Buffer): Buffer {
  return untypedFrame(int32(code.cancel), int32(pid), key)
}

/** What the gateway asks a target for. A NUL in a value would add parameters, so it throws. */
export function encodeStartup(version: number, parameters: readonly Setting[]): Buffer {
  const pairs = parameters.flatMap(({ name, value }) => [cstring(name), cstring(value)])
  return untypedFrame(int32(version), ...pairs, Buffer.alloc(1))
}
