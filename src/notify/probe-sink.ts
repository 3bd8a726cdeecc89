/** What `sallyport check` asks of a sink: can it be reached, is it who it should be, may its file be written. No event is sent. */
import { constants } from 'node:fs'
import { access, open } from 'node:fs/promises'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { NotifySink } from '../config/notify-schema.ts'
import { reasonOf } from '../errors.ts'
import { judgedLookup, refusedAddress } from './address-rule.ts'
import { connectSyslog } from './syslog.ts'

/** From the look-up of the name to the end of the handshake. Milliseconds. */
const timeoutMs = 10_000

export type SinkFinding = { readonly ok: boolean; readonly text: string }

/** Never rejects. */
export async function probeSink(sink: NotifySink): Promise<SinkFinding> {
  try {
    return { ok: true, text: await tryOut(sink) }
  } catch (cause) {
    return { ok: false, text: whyOf(cause) }
  }
}

function tryOut(sink: NotifySink): Promise<string> {
  switch (sink.kind) {
    case 'file':
      return tryFile(sink.path)
    case 'syslog':
      return handshake(() => connectSyslog(sink.server))
    case 'webhook':
    case 'otlp':
      return handshake(() => connectUrl(new URL(sink.url), sink.authority))
  }
}

/** The file is not made: whoever checks may be another user than the one who is to own it. */
async function tryFile(path: string): Promise<string> {
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND).catch((cause: unknown) => {
    if ((cause as { code?: unknown }).code === 'ENOENT') return undefined
    throw cause
  })
  await file?.close()
  await access(dirname(path), constants.W_OK | constants.X_OK) // where it is made, and made anew when it rotates
  return file === undefined ? `${path} can be made` : `${path} can be written`
}

/** As messages are sent there: to an address that was judged, by TLS where the address says so. */
function connectUrl({ protocol, hostname, port }: URL, authority: string | undefined): Socket {
  const host = hostname.replace(/^\[|\]$/g, '')
  const isName = isIP(host) === 0
  const refused = isName ? undefined : refusedAddress(host, host)
  if (refused !== undefined) throw new Error(refused)
  const lookup = judgedLookup(host)
  if (protocol === 'http:') return connectPlain({ host, port: Number(port || 80), lookup })
  return connectTls({
    host,
    port: Number(port || 443),
    lookup,
    minVersion: 'TLSv1.2',
    ...(isName ? { servername: host } : {}),
    ...(authority === undefined ? {} : { ca: authority }),
  })
}

function handshake(begin: () => Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = begin()
    const timer = setTimeout(
      () => socket.destroy(new Error(`it did not answer in ${timeoutMs / 1000} s`)),
      timeoutMs,
    )
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      resolve(socket instanceof TLSSocket ? securedText(socket) : 'can be reached, without TLS')
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('it closed the connection'))
    })
  })
}

function securedText(socket: TLSSocket): string {
  const until = socket.getPeerX509Certificate()?.validToDate.toISOString().slice(0, 10)
  return `can be reached, and proves who it is (${socket.getProtocol() ?? 'TLS'}, certificate until ${until ?? 'unknown'})`
}

const unknownIssuers: ReadonlySet<unknown> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE', // of another authority of the same name
])

/** Where a name has several addresses, Node says why of each; what it advises about itself is not ours to say. */
function whyOf(cause: unknown): string {
  if (unknownIssuers.has((cause as { code?: unknown }).code))
    return 'its certificate is of nobody whom this machine trusts; name who vouches for it as its authority'
  if (cause instanceof AggregateError && cause.message === '')
    return [...new Set(cause.errors.map(reasonOf))].join('; ')
  return reasonOf(cause)
}
