/** What passed of files, decoded from the streams of SFTP and of copying programs. All of it is told as JSON. */

/** A path is bytes: text where they are valid UTF-8, otherwise base64, so that a reader gets back the bytes that passed. */
export type PathFields = { readonly path: string } | { readonly pathBase64: string }
export type TargetPathFields = { readonly targetPath: string } | { readonly targetPathBase64: string }

/** Sizes and times as on the wire; a size beyond 2^53 - 1 is its decimal digits. */
export type FileAttributes = {
  readonly size?: number | string
  readonly uid?: number
  readonly gid?: number
  /** In octal, as `ls` and `chmod` count: "100644". */
  readonly permissions?: string
  /** Seconds since 1970. */
  readonly accessedAt?: number
  readonly modifiedAt?: number
}

/** Consecutive bytes of a file and their SHA-256 in hexadecimal. */
export type FileRange = { readonly from: number; readonly bytes: number; readonly sha256: string }

/** Packets too scattered for ranges of their own: SHA-256 over u64 offset, u32 length and the bytes of each, as they came. */
export type ScatteredPackets = { readonly packets: number; readonly bytes: number; readonly sha256: string }

/** What passed of a file's content in one direction. */
export type FileContent = {
  /** All bytes that passed; those that passed twice count twice. */
  readonly bytes: number
  /** Whether `sha256` is that of the whole file, as far as the messages that passed can tell. */
  readonly complete: boolean
  /** If what passed is one range from the file's beginning. */
  readonly sha256?: string
  /** Otherwise: in the order in which they began to pass. */
  readonly ranges?: readonly FileRange[]
  /** Some bytes of the file passed more than once; the later ones count. */
  readonly overlapping?: boolean
  readonly scattered?: ScatteredPackets
  /** Writes that the target refused or never answered; their bytes are in the digests all the same. */
  readonly failedWrites?: number
}

export type FileEvent = { readonly channel: number } & FileStep

type FileStep =
  /** The first message of each side: its SFTP version, and the extensions that it names. */
  | {
      readonly type: 'file-protocol'
      readonly from: 'client' | 'target'
      readonly version: number
      readonly extensions: readonly string[]
    }
  /** A request, before it goes on. `request` is its number on the wire; `file` an open file that it is about. */
  | ({
      readonly type: 'file-request'
      readonly request: number
    } & FileOperation)
  /** The answer to a request, with the request once more, before it goes back. */
  | ({
      readonly type: 'file-operation'
      /** On the wire; scp has none. */
      readonly request?: number
      /** "ok", or why not. */
      readonly status: string
      /** The target's own words, where they say something else. */
      readonly message?: string
      /** Of a listing. */
      readonly entries?: number
      /** Of a look-up. */
      readonly found?: FileAttributes
      readonly foundPath?: string
      readonly foundPathBase64?: string
    } & FileOperation)
  /** A file or directory was opened. `file` is its number in this channel: what follows refers to it. */
  | ({
      readonly type: 'file-open'
      readonly file: number
      readonly request?: number
      readonly operation:
        | 'open'
        | 'open-directory'
        | 'copy-to-target'
        | 'copy-from-target'
        | 'zmodem-to-target'
        | 'zmodem-from-target'
      readonly flags?: readonly string[]
      readonly attributes?: FileAttributes
    } & PathFields)
  /** What moved of an open file's content: whole ranges so far, of those that grew. */
  | {
      readonly type: 'file-progress'
      readonly file: number
      readonly read?: readonly FileRange[]
      readonly written?: readonly FileRange[]
      readonly scatteredRead?: ScatteredPackets
      readonly scatteredWritten?: ScatteredPackets
      /** Reads asked for so far. */
      readonly readRequests?: number
      /** Writes answered so far, and how many of them the target refused. */
      readonly writeReplies?: number
      readonly failedWrites?: number
    }
  /** The beginning or a middle of a message whose own event comes with its end. */
  | {
      readonly type: 'file-partial'
      readonly from: 'client' | 'target'
      readonly bytes: number
      readonly sha256: string
    }
  | ({
      readonly type: 'file-close'
      readonly file: number
      /** "ok", why not, or "not closed" if the channel ended first. */
      readonly status: string
      readonly message?: string
      readonly read?: FileContent
      readonly written?: FileContent
      /** Of `scp -O`: where in the kept stream of the channel the content began. */
      readonly keptAt?: number
    } & PathFields)
  /** Bytes of a file's content, where policy keeps it: those at `from` of the file, as they passed. Later ones replace earlier ones. */
  | {
      readonly type: 'file-content'
      readonly file: number
      readonly stream: 'read' | 'written'
      readonly from: number
      readonly base64: string
    }
  /** A program that moves files, by its command line, when its channel ends. Bytes are those of its whole streams. */
  | {
      readonly type: 'transfer'
      readonly program: 'scp' | 'rsync' | 'git' | 'zmodem'
      readonly direction: 'to-target' | 'from-target'
      readonly paths: readonly string[]
      readonly inputBytes: number
      readonly outputBytes: number
    }
  /** The stream is not what it should be. An SFTP channel ends with it; of a command, the raw streams say more. */
  | { readonly type: 'file-problem'; readonly from: 'client' | 'target'; readonly reason: string }

type FileOperation = {
  readonly operation: string
  readonly file?: number
  readonly path?: string
  readonly pathBase64?: string
  readonly targetPath?: string
  readonly targetPathBase64?: string
  readonly flags?: readonly string[]
  readonly attributes?: FileAttributes
  /** Of copy-data: where the bytes go, and which ones. */
  readonly targetFile?: number
  readonly from?: number | string
  readonly bytes?: number | string
  readonly to?: number | string
}
