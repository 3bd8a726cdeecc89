/** What happened in a session, as far as the search index has it: read when the session is over, sent where `content: true` says so. */
import type { Entry } from '../analysis/entry.ts'
import { openIndexToRead } from '../analysis/index/schema.ts'
import { IndexReader } from '../analysis/index/index-reader.ts'
import type { FeedEvent } from './event.ts'

/** Entries that are read at once. */
const pageEntries = 200
/** What the screen showed is not sent: commands that were read off it are. */
const sentKinds = ['command', 'statement', 'file', 'forward'] as const

export type ContentState = 'not-yet' | 'ready' | 'none'

export type ContentPage = { readonly events: readonly FeedEvent[]; readonly next: string | undefined }

export class SessionContent {
  readonly #folder: string
  #reader: IndexReader | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** `none`: the recording is encrypted to others, is gone, or could not be read. */
  stateOf(session: string): ContentState {
    switch (this.#open()?.sessions([session]).get(session)?.state) {
      case 'done':
        return 'ready'
      case 'sealed':
      case 'gone':
      case 'failed':
        return 'none'
      default:
        this.close() // an index that is made anew is another file
        return 'not-yet'
    }
  }

  /** In order of time, each under an id of its own that is the same each time. */
  page(close: FeedEvent, cursor: string | undefined): ContentPage {
    const session = String(close.fields['session'])
    const wish = {
      session,
      kinds: sentKinds,
      limit: pageEntries,
      ...(cursor === undefined ? {} : { cursor }),
    }
    const page = this.#open()?.entries(wish)
    const events = page?.items.map(({ entry }) => eventOf(entry, close)) ?? []
    return { events, next: page?.next }
  }

  close(): void {
    this.#reader?.close()
    this.#reader = undefined
  }

  #open(): IndexReader | undefined {
    if (this.#reader !== undefined) return this.#reader
    const database = openIndexToRead(this.#folder)
    if (database !== undefined) this.#reader = new IndexReader(database)
    return this.#reader
  }
}

/** Who and where is said by the line of the session's end. */
function eventOf(entry: Entry, { sequence, uid, fields }: FeedEvent): FeedEvent {
  const { issuer, subject, principal, sourceAddress, protocol, target, login } = fields
  const { command, statement, file } = entry
  return {
    sequence,
    uid: `${uid}.${entry.number}`,
    atMs: entry.atMs,
    kind: `content-${entry.kind}`,
    fields: {
      session: entry.session,
      issuer,
      subject,
      principal,
      sourceAddress,
      protocol,
      target,
      login,
      entry: entry.number,
      text: entry.text,
      ...command,
      ...statement,
      ...file,
    },
  }
}
