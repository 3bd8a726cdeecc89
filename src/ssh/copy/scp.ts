/**
 * Reads along with scp's legacy protocol (OpenSSH's scp.c, source and sink): the source sends records and content, the sink
 * answers each record with a byte. Both raw streams are recorded as those of any command; what comes out here names the files.
 */
import { createHash, type Hash } from 'node:crypto'
import type { FileEvent } from '../../recorder/file-event.ts'
import { pathFields } from '../sftp/path.ts'

/** A record is a letter, numbers and a name. */
export const maxRecordBytes: number = 16 * 1024
/** Directories within directories. */
export const maxDepth = 1024
/** Longer refusals explain nothing. */
const maxMessageBytes: number = 8 * 1024

const newline = 0x0a
const ok = 0
const problem = 1
const fatalProblem = 2

class Unreadable extends Error {}

type OpenCopy = {
  readonly number: number
  readonly path: Buffer
  readonly bytes: number
  leftBytes: number
  hash: Hash
  /** Where in the source's stream the content begins. */
  readonly keptAt: number
}

/** What the sink's next answer is about. */
type Awaited =
  | { readonly what: 'start' | 'end-of-directory' | 'times' }
  | { readonly what: 'directory'; readonly path: Buffer; readonly permissions: string }
  | { readonly what: 'file'; readonly path: Buffer; readonly permissions: string; readonly bytes: number }
  | { readonly what: 'content'; readonly file: OpenCopy; readonly sourceProblem: string | undefined }

type SourceState =
  | { readonly at: 'record' }
  | { readonly at: 'content'; readonly file: OpenCopy }
  | { readonly at: 'content-status'; readonly file: OpenCopy }
  | { readonly at: 'content-problem'; readonly file: OpenCopy }

export class ScpDecoder {
  readonly #channel: number
  readonly #direction: 'to-target' | 'from-target'
  #state: SourceState = { at: 'record' }
  #awaited: Awaited | undefined = { what: 'start' }
  /** The record or problem that the source is in the middle of. */
  #record: Buffer = Buffer.alloc(0)
  /** The sink's, likewise. */
  #answer: Buffer = Buffer.alloc(0)
  #folders: Buffer[] = []
  #times: { modifiedAt: number; accessedAt: number } | undefined
  #lastFile = 0
  #sourceBytes = 0
  #events: FileEvent[] = []
  #isUnreadable = false

  constructor(channel: number, direction: 'to-target' | 'from-target') {
    this.#channel = channel
    this.#direction = direction
  }

  fromClient(data: Buffer): readonly FileEvent[] {
    return this.#take('client', data)
  }

  fromTarget(data: Buffer): readonly FileEvent[] {
    return this.#take('target', data)
  }

  /** The channel is over: describes a file that is not through. */
  end(): readonly FileEvent[] {
    this.#closePassing()
    return this.#takeEvents()
  }

  #closePassing(): void {
    const file = this.#passingFile()
    if (file !== undefined) this.#close(file, { status: 'not closed' }, false)
    this.#state = { at: 'record' }
    this.#awaited = undefined
  }

  #passingFile(): OpenCopy | undefined {
    if (this.#state.at !== 'record') return this.#state.file
    return this.#awaited?.what === 'content' ? this.#awaited.file : undefined
  }

  #take(from: 'client' | 'target', data: Buffer): readonly FileEvent[] {
    if (this.#isUnreadable) return []
    try {
      if ((from === 'client') === (this.#direction === 'to-target')) this.#fromSource(data)
      else this.#fromSink(data)
    } catch (cause) {
      if (!(cause instanceof Unreadable)) throw cause
      this.#giveUp(from, cause.message)
    }
    return this.#takeEvents()
  }

  #giveUp(from: 'client' | 'target', reason: string): void {
    this.#closePassing()
    this.#events.push({ type: 'file-problem', channel: this.#channel, from, reason })
    this.#isUnreadable = true
    this.#folders = []
  }

  #takeEvents(): readonly FileEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  // ── The source ────────────────────────────────────────────────────────────────────────────────────────────────

  #fromSource(data: Buffer): void {
    for (let at = 0; at < data.length; ) at = this.#step(data, at)
    this.#sourceBytes += data.length
  }

  #step(data: Buffer, at: number): number {
    const state = this.#state
    switch (state.at) {
      case 'record':
        return this.#collectRecord(data, at, line => this.#readRecord(line))
      case 'content':
        return this.#content(state.file, data, at)
      case 'content-status':
        return this.#contentStatus(state.file, data[at] ?? ok, at)
      case 'content-problem':
        return this.#collectRecord(data, at, line => this.#awaitContent(state.file, line.toString('utf8')))
    }
  }

  #collectRecord(data: Buffer, at: number, take: (line: Buffer) => void): number {
    const end = data.indexOf(newline, at)
    const part = data.subarray(at, end === -1 ? data.length : end)
    if (this.#record.length + part.length > maxRecordBytes) throw new Unreadable('a record is too long')
    this.#record = Buffer.concat([this.#record, part])
    if (end === -1) return data.length
    const line = this.#record
    this.#record = Buffer.alloc(0)
    take(line)
    return end + 1
  }

  #readRecord(line: Buffer): void {
    if (line[0] === problem || line[0] === fatalProblem) return // a warning of the source; nobody answers it
    if (this.#awaited !== undefined) throw new Unreadable('the source did not wait for an answer')
    const text = line.toString('latin1')
    if (text === 'E') return this.#leave()
    const times = /^T(\d{1,15}) \d{1,9} (\d{1,15}) \d{1,9}$/.exec(text)
    if (times !== null) return this.#setTimes(times)
    const entry = /^([CD])([0-7]{4}) (\d{1,15}) ([^/]+)$/s.exec(text)
    if (entry === null) throw new Unreadable('a record is none that scp knows')
    const [, kind, permissions = '', size, name = ''] = entry
    if (name === '.' || name === '..') throw new Unreadable('a record names no file')
    const path = this.#pathOf(Buffer.from(name, 'latin1'))
    this.#awaited =
      kind === 'D'
        ? { what: 'directory', path, permissions }
        : { what: 'file', path, permissions, bytes: Number(size) }
  }

  #leave(): void {
    if (this.#folders.length === 0) throw new Unreadable('a folder ends that has not begun')
    this.#folders.pop()
    this.#awaited = { what: 'end-of-directory' }
  }

  #setTimes([, modified, accessed]: readonly string[]): void {
    this.#times = { modifiedAt: Number(modified), accessedAt: Number(accessed) }
    this.#awaited = { what: 'times' }
  }

  /** Below the folders that the records entered; what the whole copy began at is in the command. */
  #pathOf(name: Buffer): Buffer {
    const folder = this.#folders.at(-1)
    const path = folder === undefined ? name : Buffer.concat([folder, Buffer.from('/'), name])
    if (path.length > maxRecordBytes) throw new Unreadable('a path is too long')
    return path
  }

  #content(file: OpenCopy, data: Buffer, at: number): number {
    const end = Math.min(data.length, at + file.leftBytes)
    file.hash.update(data.subarray(at, end))
    file.leftBytes -= end - at
    if (file.leftBytes === 0) this.#state = { at: 'content-status', file }
    return end
  }

  /** After the content: zero, or why it is not what the file was. */
  #contentStatus(file: OpenCopy, status: number, at: number): number {
    if (status === ok) this.#awaitContent(file, undefined)
    else if (status === problem || status === fatalProblem) this.#state = { at: 'content-problem', file }
    else throw new Unreadable('content does not end where it should')
    return at + 1
  }

  #awaitContent(file: OpenCopy, sourceProblem: string | undefined): void {
    this.#state = { at: 'record' }
    this.#awaited = { what: 'content', file, sourceProblem }
  }

  // ── The sink ──────────────────────────────────────────────────────────────────────────────────────────────────

  #fromSink(data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      if (this.#answer.length > 0) at = this.#collectAnswer(data, at)
      else if (data[at] === ok) {
        this.#answered(undefined)
        at++
      } else if (data[at] === problem || data[at] === fatalProblem) {
        this.#answer = Buffer.from(data.subarray(at, at + 1))
        at++
      } else throw new Unreadable('an answer is none that scp knows')
    }
  }

  #collectAnswer(data: Buffer, at: number): number {
    const end = data.indexOf(newline, at)
    const part = data.subarray(at, end === -1 ? data.length : end)
    if (this.#answer.length + part.length > maxMessageBytes) throw new Unreadable('an answer is too long')
    this.#answer = Buffer.concat([this.#answer, part])
    if (end === -1) return data.length
    const text = this.#answer.subarray(1).toString('utf8')
    this.#answer = Buffer.alloc(0)
    this.#answered(text)
    return end + 1
  }

  #answered(refusal: string | undefined): void {
    const awaited = this.#awaited
    if (awaited === undefined) {
      if (refusal === undefined) throw new Unreadable('an answer came to nothing')
      return // the sink may complain at any time
    }
    this.#awaited = undefined
    const status = refusal === undefined ? { status: 'ok' } : { status: 'failure', message: refusal }
    switch (awaited.what) {
      case 'directory':
        return this.#enter(awaited, status)
      case 'file':
        return this.#open(awaited, status)
      case 'content':
        return this.#contentAnswered(awaited, status)
      case 'start':
      case 'times':
      case 'end-of-directory':
        return
    }
  }

  #enter(folder: Awaited & { what: 'directory' }, status: { status: string; message?: string }): void {
    this.#operation('make-directory', folder, status)
    if (status.status !== 'ok') return
    if (this.#folders.length >= maxDepth) throw new Unreadable('folders are too deep')
    this.#folders.push(folder.path)
  }

  #open(file: Awaited & { what: 'file' }, status: { status: string; message?: string }): void {
    if (status.status !== 'ok') return this.#operation('copy', file, status)
    const open = {
      number: ++this.#lastFile,
      path: file.path,
      bytes: file.bytes,
      leftBytes: file.bytes,
      hash: createHash('sha256'),
      keptAt: this.#sourceBytes,
    }
    this.#events.push({
      type: 'file-open',
      channel: this.#channel,
      file: open.number,
      operation: this.#direction === 'to-target' ? 'copy-to-target' : 'copy-from-target',
      ...pathFields(file.path),
      attributes: { size: file.bytes, permissions: file.permissions, ...this.#takeTimes() },
    })
    this.#state = { at: open.bytes === 0 ? 'content-status' : 'content', file: open }
  }

  #operation(
    operation: string,
    entry: { readonly path: Buffer; readonly permissions: string },
    status: { status: string; message?: string },
  ): void {
    const attributes = { permissions: entry.permissions, ...this.#takeTimes() }
    const path = pathFields(entry.path)
    this.#events.push({
      type: 'file-operation',
      channel: this.#channel,
      operation,
      ...path,
      attributes,
      ...status,
    })
  }

  #takeTimes(): { modifiedAt?: number; accessedAt?: number } {
    const times = this.#times ?? {}
    this.#times = undefined
    return times
  }

  #contentAnswered(
    { file, sourceProblem }: Awaited & { what: 'content' },
    status: { status: string; message?: string },
  ): void {
    if (sourceProblem === undefined) return this.#close(file, status, status.status === 'ok')
    this.#close(file, { status: 'failure', message: sourceProblem }, false)
  }

  #close(file: OpenCopy, status: { status: string; message?: string }, complete: boolean): void {
    const content = { bytes: file.bytes - file.leftBytes, complete, sha256: file.hash.digest('hex') }
    this.#events.push({
      type: 'file-close',
      channel: this.#channel,
      file: file.number,
      ...pathFields(file.path),
      ...status,
      ...(this.#direction === 'to-target' ? { written: content } : { read: content }),
      keptAt: file.keptAt,
    })
  }
}
