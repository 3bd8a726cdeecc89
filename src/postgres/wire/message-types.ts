/**
 * The type bytes of protocol 3 and how long each message may be (PostgreSQL 18, "Message Formats"; postgres.c,
 * `SocketBackend`; fe-protocol3.c, `VALID_LONG_MESSAGE_TYPE`). A byte means different things in the two directions.
 */

/** What a client says after its startup. */
export const frontend = {
  bind: 0x42, // B
  close: 0x43, // C
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyFail: 0x66, // f
  describe: 0x44, // D
  execute: 0x45, // E
  flush: 0x48, // H
  functionCall: 0x46, // F
  parse: 0x50, // P
  /** PasswordMessage, SASLInitialResponse and SASLResponse; only while signing in. */
  password: 0x70, // p
  query: 0x51, // Q
  sync: 0x53, // S
  terminate: 0x58, // X
} as const

/** What a server says. */
export const backend = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  commandComplete: 0x43, // C
  copyBothResponse: 0x57, // W
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  dataRow: 0x44, // D
  emptyQueryResponse: 0x49, // I
  errorResponse: 0x45, // E
  functionCallResponse: 0x56, // V
  negotiateProtocolVersion: 0x76, // v
  noData: 0x6e, // n
  noticeResponse: 0x4e, // N
  notificationResponse: 0x41, // A
  parameterDescription: 0x74, // t
  parameterStatus: 0x53, // S
  parseComplete: 0x31, // 1
  portalSuspended: 0x73, // s
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const

/** Bodies of client messages that the server keeps in one allocation (`MaxAllocSize` - 1, less the length's own 4 bytes). */
const allocationBytes = 0x3fff_ffff - 5
/** `PQ_SMALL_MESSAGE_LIMIT` of libpq.h. */
const smallMessageBytes = 10_000 - 4
/** `PG_MAX_AUTH_TOKEN_LENGTH` of auth.h. */
const signInBytes = 65_535
/** libpq gives up on a longer length of a type that has no business being long: "lost synchronization with server". */
const shortReplyBytes = 30_000 - 4
/** The length is an int32. */
const longReplyBytes = 0x7fff_ffff - 4

/** By type byte the largest body in bytes, -1 for a type that means nothing in this direction and phase. */
export type BodyLimits = Int32Array

/** Who speaks, and when: the limits differ. */
export type Direction = 'frontend' | 'frontend-sign-in' | 'backend'

/** Frontend: `maxMessageBytes` is ours, for what a recorder has to hold whole (Q P B F). CopyData streams. */
export function bodyLimits(direction: Direction, maxMessageBytes: number): BodyLimits {
  const limits = new Int32Array(256).fill(-1)
  const allow = (types: readonly number[], bytes: number): void => {
    for (const type of types) limits[type] = bytes
  }
  if (direction === 'frontend-sign-in') {
    allow([frontend.password], signInBytes)
    return limits
  }
  if (direction === 'backend') {
    const { dataRow, copyData, errorResponse, noticeResponse, notificationResponse } = backend
    const { rowDescription, functionCallResponse, parameterDescription } = backend
    allow(Object.values(backend), shortReplyBytes)
    allow([dataRow, copyData, rowDescription, functionCallResponse, parameterDescription], longReplyBytes)
    allow([errorResponse, noticeResponse, notificationResponse], longReplyBytes)
    return limits
  }
  const { query, parse, bind, functionCall, copyData, password: _, ...small } = frontend
  allow(Object.values(small), smallMessageBytes)
  allow([query, parse, bind, functionCall], Math.min(maxMessageBytes, allocationBytes))
  allow([copyData], allocationBytes)
  return limits
}
