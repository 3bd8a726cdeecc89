/**
 * The client's SSH agent, as a target uses it (draft-ietf-sshm-ssh-agent). Every message is decoded before it goes on: a target
 * may list keys, sign and use extensions. What would change the agent, or what is malformed, ends the channel.
 */
import { fingerprint } from '../../credentials/ssh-key.ts'
import { Fault } from '../../errors.ts'
import { allowsChannel, type ChannelDecision, type Grant } from '../../policy/decide.ts'
import type { AgentReply, AgentRequestEvent, ForwardEvent } from '../../recorder/forward-event.ts'
import { WireReader } from '../../wire.ts'
import type { Conduit, Passed } from './conduit.ts'

/**
 * A message is held until it is whole, so it must fit the smallest window that a peer leaves open: OpenSSH's is 64 KiB for agents
 * and refilled at half. Twenty RSA keys with certificates fit.
 */
export const maxAgentMessageBytes = 32_000

/** Requests that may wait for the agent's answer; some ask a person to confirm. */
export const maxAgentRequests = 64

/** draft-ietf-sshm-ssh-agent, section 6.1. */
const request = { list: 11, sign: 13, extension: 27 } as const
const reply: Readonly<Record<number, AgentReply>> = {
  5: 'failure',
  6: 'success',
  12: 'keys',
  14: 'signature',
  28: 'extension-failure',
  29: 'extension',
}

/** RFC 4252, section 7: SSH_MSG_USERAUTH_REQUEST. */
const authRequest = 50
/** OpenSSH PROTOCOL.sshsig: how the signatures of files begin. */
const fileMagic = Buffer.from('SSHSIG')
const maxTextBytes = 256

/** Of the length that every message begins with. */
const lengthBytes = 4

/**
 * Cuts a stream of bytes into messages, whatever pieces it comes in. What is not whole yet is held in one buffer: a buffer for each
 * byte that comes alone would cost hundreds of times the message.
 */
class Messages {
  /** The message with its length; only the length until that has been read. */
  #held = Buffer.alloc(lengthBytes)
  #heldBytes = 0

  /** Calls `whole` for each message that is complete now, and gives back the bytes that may go on. */
  add(data: Buffer, whole: (message: Buffer) => void): readonly Buffer[] {
    const messages: Buffer[] = []
    for (let at = 0; at < data.length; ) {
      at += this.#hold(data.subarray(at))
      if (this.#held.length === lengthBytes || this.#heldBytes < this.#held.length) continue
      whole(this.#held.subarray(lengthBytes))
      messages.push(this.#held)
      this.#held = Buffer.alloc(lengthBytes)
      this.#heldBytes = 0
    }
    return messages.length > 1 ? [Buffer.concat(messages)] : messages
  }

  /** Takes what belongs to the message, or to its length; gives back how many bytes. */
  #hold(next: Buffer): number {
    const taken = next.subarray(0, this.#held.length - this.#heldBytes)
    this.#held.set(taken, this.#heldBytes)
    this.#heldBytes += taken.length
    if (this.#heldBytes === lengthBytes) this.#makeRoom(this.#held.readUInt32BE(0))
    return taken.length
  }

  #makeRoom(bytes: number): void {
    if (bytes === 0 || bytes > maxAgentMessageBytes)
      throw new Fault('SSH_PROTOCOL', `a message of ${bytes} bytes`)
    this.#held = Buffer.concat([this.#held], lengthBytes + bytes)
  }
}

export class AgentStream implements Conduit {
  readonly #channel: number
  readonly #requests = new Messages()
  readonly #replies = new Messages()
  /** Requests that the agent has not answered. */
  #asked: AgentRequestEvent['request'][] = []

  constructor(channel: number) {
    this.#channel = channel
  }

  fromTarget(data: Buffer): Passed {
    return this.#pass(this.#requests, data, message => this.#request(message))
  }

  fromClient(data: Buffer): Passed {
    return this.#pass(this.#replies, data, message => this.#reply(message))
  }

  #pass(messages: Messages, data: Buffer, decode: (message: Buffer) => ForwardEvent): Passed {
    const events: ForwardEvent[] = []
    try {
      return { events, pieces: messages.add(data, message => events.push(decode(message))) }
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause
      return { events, pieces: [], violation: cause.userText }
    }
  }

  #request(message: Buffer): AgentRequestEvent {
    const event = { type: 'agent-request', channel: this.#channel, ...decodeRequest(message) } as const
    if (this.#asked.length >= maxAgentRequests)
      throw new Fault('SSH_PROTOCOL', 'too many requests wait for the agent')
    this.#asked.push(event.request)
    return event
  }

  #reply(message: Buffer): ForwardEvent {
    const asked = this.#asked.shift()
    const said = reply[message[0] ?? 0]
    if (asked === undefined) throw new Fault('SSH_PROTOCOL', 'the agent answered what nobody asked')
    if (said === undefined || !mayAnswer(asked, said))
      throw new Fault('SSH_PROTOCOL', `the agent answered with message ${message[0]}`)
    const event = { type: 'agent-reply', channel: this.#channel, reply: said } as const
    if (said !== 'keys') return event
    return { ...event, keys: countKeys(message) }
  }

  allowedBy(grant: Grant): ChannelDecision {
    return allowsChannel(grant, { kind: 'agent' })
  }

  end(): readonly ForwardEvent[] {
    return []
  }
}

function mayAnswer(asked: AgentRequestEvent['request'], said: AgentReply): boolean {
  if (said === 'failure') return true
  if (asked === 'list') return said === 'keys'
  if (asked === 'sign') return said === 'signature'
  return said === 'success' || said.startsWith('extension')
}

/** Section 3.5: a count and as many pairs of key and comment. */
function countKeys(message: Buffer): number {
  const reader = new WireReader(message, 1)
  const count = reader.uint32()
  for (let key = 0; key < count; key++) {
    reader.string()
    reader.string()
  }
  reader.end()
  return count
}

function decodeRequest(message: Buffer): Omit<AgentRequestEvent, 'type' | 'channel'> {
  const reader = new WireReader(message, 1)
  switch (message[0]) {
    case request.list:
      reader.end()
      return { request: 'list' }
    case request.sign: {
      const key = reader.string()
      const data = reader.string()
      reader.uint32()
      reader.end()
      return { request: 'sign', fingerprint: fingerprint(key), ...purposeOf(data) }
    }
    case request.extension:
      return decodeExtension(reader)
    default:
      throw new Fault('SSH_PROTOCOL', `request ${message[0]}, which the gateway does not pass`)
  }
}

/** Those that OpenSSH's clients use (PROTOCOL.agent, section 1); of others we could not say what they do. */
function decodeExtension(reader: WireReader): Omit<AgentRequestEvent, 'type' | 'channel'> {
  const name = shortText(reader.string())
  if (name === 'query') {
    reader.end()
    return { request: 'extension', name }
  }
  if (name !== 'session-bind@openssh.com')
    throw new Fault('SSH_PROTOCOL', 'an extension of the agent that the gateway does not pass')
  const hostKey = reader.string()
  const sshSession = reader.string().toString('hex')
  reader.string() // the host's signature, for the agent to check
  reader.boolean()
  reader.end()
  return { request: 'extension', name, fingerprint: fingerprint(hostKey), sshSession }
}

/** What a signature is for, as far as its data tells. */
function purposeOf(data: Buffer): Omit<AgentRequestEvent, 'type' | 'channel' | 'request'> {
  const other = { purpose: 'other', bytes: data.length } as const
  if (data.subarray(0, fileMagic.length).equals(fileMagic)) return attempt(() => filePurpose(data)) ?? other
  return attempt(() => signInPurpose(data)) ?? other
}

function filePurpose(data: Buffer) {
  const reader = new WireReader(data, fileMagic.length)
  return { purpose: 'file', namespace: shortText(reader.string()) } as const
}

/** RFC 4252, section 7: session id, then the request; `publickey-hostbound-v00@openssh.com` has a host key behind it. */
function signInPurpose(data: Buffer) {
  const reader = new WireReader(data)
  const sshSession = reader.string()
  if (sshSession.length < 20 || sshSession.length > 64 || reader.byte() !== authRequest) return undefined
  const user = shortText(reader.string())
  const service = reader.text()
  const method = reader.text()
  if (service !== 'ssh-connection' || !method.startsWith('publickey')) return undefined
  return { purpose: 'sign-in', user, sshSession: sshSession.toString('hex') } as const
}

function shortText(bytes: Buffer): string {
  return bytes.subarray(0, maxTextBytes).toString('utf8')
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
