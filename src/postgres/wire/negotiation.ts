/**
 * What may come before a StartupMessage, as a pure step: an encryption request each at most once, none inside TLS
 * (PostgreSQL 18, "SSL Session Encryption", "GSSAPI Session Encryption"; backend_startup.c).
 */
import type { Packet } from './startup.ts'

export type Phase = {
  /** `plain`; `asked`: TLS after an SSLRequest; `direct`: TLS from the first byte. */
  readonly tls: 'plain' | 'asked' | 'direct'
  readonly sslAsked: boolean
  readonly gssAsked: boolean
}

/** The last packets of a negotiation. */
export type FinalPacket = Extract<Packet, { kind: 'cancel' | 'startup' | 'refused' }>

export type Step =
  /** Say `S` and begin TLS; not one byte may have come yet that is not part of it. */
  | { readonly do: 'begin-tls'; readonly next: Phase }
  /** Say `N` and go on as before. */
  | { readonly do: 'say-no'; readonly next: Phase }
  | { readonly do: 'finish'; readonly packet: FinalPacket }
  /** Close, without a word: what came is no PostgreSQL. */
  | { readonly do: 'close' }

export const firstPhase: Phase = { tls: 'plain', sslAsked: false, gssAsked: false }

/** The first byte of a TLS record with a ClientHello (RFC 8446, section 5.1): no packet of ours is 369 MB long. */
export const tlsFirstByte = 0x16

export function step(phase: Phase, packet: Packet, options: { tlsOffered: boolean }): Step {
  switch (packet.kind) {
    case 'ssl':
      if (phase.tls !== 'plain' || phase.sslAsked) return { do: 'close' }
      return options.tlsOffered
        ? { do: 'begin-tls', next: { ...phase, tls: 'asked', sslAsked: true } }
        : { do: 'say-no', next: { ...phase, sslAsked: true } }
    case 'gss':
      if (phase.tls !== 'plain' || phase.gssAsked) return { do: 'close' }
      return { do: 'say-no', next: { ...phase, gssAsked: true } }
    case 'garbage':
      return { do: 'close' }
    case 'cancel':
    case 'startup':
    case 'refused':
      return { do: 'finish', packet }
  }
}
