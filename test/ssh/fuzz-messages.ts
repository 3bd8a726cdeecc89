/** Messages that a hostile peer may send: of the right shape, nearly of it, and of none. All from fast-check, so that a seed repeats them. */
import fc from 'fast-check'
import { boolean, byte, string, uint32 } from '../../src/wire.ts'

/** Where careless code wraps, overflows or allocates. */
const edges = [
  0, 1, 2, 3, 32_767, 32_768, 32_769, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
]
const number = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...edges) },
  { weight: 2, arbitrary: fc.nat(200_000) },
  fc.integer({ min: 0, max: 0xffff_ffff }),
)
/** Mostly the few that exist. */
const channel = fc.oneof({ weight: 8, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: number })

const bytes = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  fc.nat(40_000).map(length => new Uint8Array(length)),
)
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom('', 'TERM', 'KILL', '\u001b]0;x\u0007', '\n', '\0', '../../etc/passwd', 'x'.repeat(300)),
  bytes.map(raw => Buffer.from(raw).toString('latin1')),
)

/** As the wire has it, or with a length that lies. */
const field = fc.oneof(
  { weight: 40, arbitrary: fc.oneof(text, bytes).map(value => string(value as string | Buffer)) },
  fc.tuple(number, bytes).map(([length, raw]) => Buffer.concat([uint32(length), raw])),
)

const part = fc.oneof(field, number.map(uint32), fc.boolean().map(boolean), fc.nat(255).map(byte))
const parts = fc.array(part, { maxLength: 6 }).map(all => Buffer.concat(all))

const message = (kind: number, ...fields: readonly fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Buffer> =>
  fc.tuple(...fields).map(all => Buffer.concat([byte(kind), ...all]))

const id = channel.map(uint32)
const name = (...names: readonly string[]): fc.Arbitrary<Buffer> =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, text).map(value => string(value))

const size = fc.tuple(number, number, number, number).map(all => Buffer.concat(all.map(uint32)))

/** The fields of a request by its name; a wrong name now and then. */
const requests: readonly fc.Arbitrary<Buffer>[] = [
  request('pty-req', field, size, field),
  request('env', name('LANG', 'LC_ALL', 'LD_PRELOAD'), field),
  request('shell'),
  request('exec', field),
  request('subsystem', name('sftp', 'other')),
  request('window-change', size),
  request('signal', name('TERM', 'KILL', 'USR1')),
  request('break', number.map(uint32)),
  request('exit-status', number.map(uint32)),
  request('exit-signal', field, fc.boolean().map(boolean), field, field),
  request('eow@openssh.com'),
  request('keepalive@openssh.com'),
  request('auth-agent-req@openssh.com'),
  request('x11-req', fc.boolean().map(boolean), field, field, number.map(uint32)),
  request('xon-xoff', fc.boolean().map(boolean)),
]

function request(kind: string, ...fields: readonly fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Buffer> {
  return message(98, id, fc.constant(string(kind)), fc.boolean().map(boolean), ...fields)
}

const address = (...more: readonly fc.Arbitrary<Uint8Array>[]) =>
  fc.tuple(name('127.0.0.1', 'localhost', ''), number.map(uint32), ...more).map(all => Buffer.concat(all))

function opening(kind: string, fields: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return message(90, fc.constant(string(kind)), id, number.map(uint32), number.map(uint32), fields)
}

const nothing = fc.constant(Buffer.alloc(0))

const openings = fc.oneof(
  { weight: 4, arbitrary: opening('session', nothing) },
  opening('direct-tcpip', address(field, number.map(uint32))),
  opening('forwarded-tcpip', address(field, number.map(uint32))),
  opening('direct-streamlocal@openssh.com', parts),
  opening('forwarded-streamlocal@openssh.com', parts),
  opening('auth-agent@openssh.com', nothing),
  opening('x11', parts),
)

const sftpPacket = fc
  .tuple(fc.nat(21), number, parts, fc.option(number, { freq: 8 }))
  .map(([kind, requestId, body, lie]) => {
    const packet = Buffer.concat([byte(kind), uint32(requestId), body])
    return Buffer.concat([uint32(lie ?? packet.length), packet])
  })

const data = fc.oneof(
  { weight: 2, arbitrary: bytes.map(raw => string(Buffer.from(raw))) },
  fc.array(sftpPacket, { maxLength: 4 }).map(packets => string(Buffer.concat(packets))),
  field,
)

const globals = fc.oneof(
  message(80, name('tcpip-forward', 'cancel-tcpip-forward'), fc.boolean().map(boolean), address()),
  message(80, name('streamlocal-forward@openssh.com'), fc.boolean().map(boolean), field),
  message(
    80,
    name('keepalive@openssh.com', 'no-more-sessions@openssh.com', 'hostkeys-00@openssh.com'),
    fc.boolean().map(boolean),
    parts,
  ),
)

/** Of RFC 4254, well-formed more often than not. */
export const connectionMessage: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 3, arbitrary: openings },
  { weight: 3, arbitrary: message(91, id, id, number.map(uint32), number.map(uint32)) },
  message(92, id, number.map(uint32), field, field),
  { weight: 2, arbitrary: message(93, id, number.map(uint32)) },
  { weight: 4, arbitrary: message(94, id, data) },
  message(95, id, fc.constantFrom(0, 1, 2, 0xffff_ffff).map(uint32), data),
  message(96, id),
  message(97, id),
  { weight: 8, arbitrary: fc.oneof(...requests) },
  { weight: 2, arbitrary: message(99, id) },
  message(100, id),
  globals,
  message(81, parts),
  message(82),
)

/** Of RFC 4252 and 4256. */
export const signInMessage: fc.Arbitrary<Buffer> = fc.oneof(
  message(5, name('ssh-userauth', 'ssh-connection')),
  message(50, name('root@web1', 'other', ''), name('ssh-connection'), name('none')),
  message(
    50,
    name('root@web1'),
    name('ssh-connection'),
    name('publickey'),
    fc.boolean().map(boolean),
    name('ssh-ed25519', 'rsa-sha2-512', 'ssh-ed25519-cert-v01@openssh.com'),
    field,
    fc.oneof(nothing, field),
  ),
  message(50, name('root@web1'), name('ssh-connection'), name('keyboard-interactive'), field, field),
  message(
    50,
    name('root@web1'),
    name('ssh-connection'),
    name('password', 'hostbased'),
    fc.boolean().map(boolean),
    field,
  ),
  message(61, number.map(uint32), field),
)

/** Any number, any bytes. */
const anything = fc.tuple(fc.nat(255), parts).map(([kind, body]) => Buffer.concat([byte(kind), body]))

/** As it was, cut, longer, with a bit or a length of its own changed. */
function mutated(whole: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const place = fc.nat(0xffff)
  return fc.oneof(
    { weight: 6, arbitrary: whole },
    fc.tuple(whole, place).map(([all, at]) => all.subarray(0, 1 + (at % all.length))),
    fc.tuple(whole, bytes).map(all => Buffer.concat(all)),
    fc.tuple(whole, place, fc.nat(7)).map(([all, at, bit]) => {
      const copy = Buffer.from(all)
      const index = at % copy.length
      copy[index] = (copy[index] ?? 0) ^ (1 << bit)
      return copy
    }),
    fc.tuple(whole, place, number).map(([all, at, value]) => {
      const copy = Buffer.from(all)
      if (copy.length >= 5) copy.writeUInt32BE(value, 1 + (at % (copy.length - 4)))
      return copy
    }),
  )
}

/** What a peer says once the connection runs. */
export const hostileMessage: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 20, arbitrary: connectionMessage },
  { weight: 4, arbitrary: mutated(connectionMessage) },
  anything,
  signInMessage,
)

/** What a client says before it is in. */
export const hostileSignIn: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 20, arbitrary: signInMessage },
  { weight: 4, arbitrary: mutated(signInMessage) },
  anything,
  connectionMessage,
)
