import headless, { type Terminal as HeadlessTerminal } from '@xterm/headless'
import type { Size } from './choose-channel.ts'
import { Utf8Stream } from './utf8-stream.ts'

/**
 * A terminal emulator without a screen, and the parts of its inside that we need and that its interface does not offer. The
 * package is pinned and a golden test holds what we take: another version may name them otherwise.
 */
export type Terminal = HeadlessTerminal

export function newTerminal(size: Size, scrollback: number): Terminal {
  return new headless.Terminal({
    cols: size.columns,
    rows: size.rows,
    scrollback,
    allowProposedApi: true,
    logLevel: 'off',
  })
}

/** The emulator's own decoder loses characters whose second byte is 0x80, such as a dash, where they come byte by byte. */
const decoders = new WeakMap<Terminal, Utf8Stream>()

/** Parses at once: a worker has nothing else to do, and the asynchronous way costs a timer for each call. */
export function write(terminal: Terminal, data: Uint8Array): void {
  const decoder = decoders.get(terminal) ?? new Utf8Stream()
  decoders.set(terminal, decoder)
  coreOf(terminal).writeSync(decoder.decode(data))
}

/** Whether nothing is half received: no escape sequence and no character. */
export function isBetween(terminal: Terminal): boolean {
  return (
    coreOf(terminal)._inputHandler._parser.currentState === 0 &&
    decoders.get(terminal)?.isWithinCharacter !== true
  )
}

/** `_ext` and not `ext`: the latter mixes in whether a hyperlink is open. The emulator never changes one, it clones. */
export type CoreExtended = { _ext: number; _urlId: number; clone(): CoreExtended }
export type CoreAttributes = { fg: number; bg: number; extended: CoreExtended }
type Charset = Readonly<Record<string, string>> | undefined

export type CoreBuffer = {
  x: number
  y: number
  ybase: number
  ydisp: number
  scrollTop: number
  scrollBottom: number
  savedX: number
  savedY: number
  savedCurAttrData: CoreAttributes
  savedCharset: Charset
  tabs: Record<number, boolean | undefined>
  lines: CoreLines
}

/** A ring: of `_array`, `_length` slots from `_startIndex` on are in use. */
export type CoreLines = {
  get(row: number): CoreLine | undefined
  trimStart(count: number): void
  _array: (CoreLine | undefined)[]
  readonly _startIndex: number
  readonly _length: number
}

export type CoreLine = {
  isWrapped: boolean
  length: number
  _data: Uint32Array
  _combined: Record<number, string>
  _extendedAttrs: Record<number, CoreExtended | undefined>
}

export type Core = {
  writeSync(data: string): void
  buffers: { normal: CoreBuffer; alt: CoreBuffer; active: CoreBuffer }
  _inputHandler: {
    _curAttrData: CoreAttributes
    _parser: { currentState: number; precedingJoinState: number }
  }
  _charsetService: {
    glevel: number
    charset: Charset
    _charsets: Charset[]
    setgLevel(level: number): void
    setgCharset(level: number, charset: Charset): void
  }
  coreService: {
    isCursorHidden: boolean
    modes: Record<string, unknown>
    decPrivateModes: Record<string, unknown>
  }
  coreMouseService: { activeProtocol: string }
}

export function coreOf(terminal: Terminal): Core {
  return (terminal as unknown as { _core: Core })._core
}
