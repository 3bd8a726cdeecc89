/** What passed beside a session's own channels: forwarded streams and requests to the client's SSH agent. All told as JSON. */

export type ForwardEvent =
  /** A stream was asked for. `kind`: the channel type; places are `host:port`, `[IPv6]:port` or a socket's path. */
  | {
      readonly type: 'forward-open'
      readonly channel: number
      readonly kind: string
      /** Where it leads as the target sees it: to where it connects, or where it listened and was connected to. */
      readonly destination: string
      /** Who connected, as the end says that asked for the stream; empty where it does not say. */
      readonly originator: string
    }
  /** The first bytes of one direction look like a protocol that hides what is in it, or that claims to know addresses. */
  | {
      readonly type: 'forward-note'
      readonly channel: number
      readonly stream: 'input' | 'output'
      readonly looksLike: 'ssh' | 'proxy-header'
    }
  /** The stream is over: bytes that went from the client to the target (`input`) and back (`output`). */
  | {
      readonly type: 'forward-close'
      readonly channel: number
      readonly inputBytes: number
      readonly outputBytes: number
    }
  /** The target was asked to listen (port 0: on any that is free); then where it does; then that it is to stop. */
  | {
      readonly type: 'forward-listen'
      readonly channel: number
      readonly kind: string
      readonly place: string
    }
  | { readonly type: 'forward-listening'; readonly channel: number; readonly place: string }
  | { readonly type: 'forward-unlisten'; readonly channel: number; readonly place: string }
  | AgentRequestEvent
  | {
      readonly type: 'agent-reply'
      readonly channel: number
      readonly reply: AgentReply
      readonly keys?: number
    }

export type AgentReply = 'failure' | 'success' | 'keys' | 'signature' | 'extension-failure' | 'extension'

/** What the target asked of the client's agent (draft-ietf-sshm-ssh-agent). */
export type AgentRequestEvent = {
  readonly type: 'agent-request'
  readonly channel: number
  readonly request: 'list' | 'sign' | 'extension'
  /** To sign: the key, `SHA256:…` as ssh-keygen prints it. To bind (an extension): the host key of the other server. */
  readonly fingerprint?: string
  /** To sign: what; a sign-in at another server (`user`, `sshSession` in hexadecimal), a file, or something else of so many bytes. */
  readonly purpose?: 'sign-in' | 'file' | 'other'
  readonly user?: string
  readonly sshSession?: string
  readonly namespace?: string
  readonly bytes?: number
  /** The extension's name. */
  readonly name?: string
}
