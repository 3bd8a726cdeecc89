/** Files that were moved, changed or removed, as SFTP, scp and ZMODEM said. */
import type { EntryView } from '../../../src/api/schema.ts'
import { Copy } from '../parts/copy.tsx'
import { withMarks } from '../parts/hidden-text.ts'
import { Line } from '../parts/hidden.tsx'
import { SeverityShape, worstOf } from '../parts/severity.tsx'
import { offsetOf } from '../parts/time.tsx'
import type { Entries } from '../session/entries.ts'
import { Missing } from '../session/missing.tsx'
import { VirtualList } from '../parts/virtual.tsx'
import { bothEnds } from './cut.ts'

/** Of a file with its hash, which takes two lines or, in a narrow window, three. */
const rowHeight = 152
/** Of a path; its end says more than its middle. */
const pathLetters = 60

export function FilesPart({ entries, onSeek }: { entries: Entries; onSeek: (ms: number) => void }) {
  const { items: files, isComplete, error } = entries
  return (
    <>
      <Missing of={entries} what="files" />
      {files.length > 0 ? (
        <VirtualList
          label="Files"
          count={files.length}
          rowHeight={rowHeight}
          render={index => {
            const entry = files[index]
            return entry === undefined ? null : <OneFile entry={entry} onSeek={onSeek} />
          }}
        />
      ) : error === undefined ? (
        <p class="quiet">
          {isComplete ? 'No file was moved that the gateway could see.' : 'Looking for files…'}
        </p>
      ) : null}
    </>
  )
}

/** What was done with a file, in words: SFTP's own names say little to who does not program. */
const operationTexts: Readonly<Record<string, string>> = {
  setstat: 'attributes changed',
  fsetstat: 'attributes changed',
  lsetstat: 'attributes changed',
  opendir: 'folder listed',
  mkdir: 'folder made',
  rmdir: 'folder removed',
  remove: 'removed',
  rename: 'renamed',
  symlink: 'symbolic link made',
  link: 'link made',
}

export function operationText({ operation, direction }: EntryView['detail']): string {
  const name = typeof operation === 'string' ? operation : ''
  if (direction === 'up') return '↑ sent to the target'
  if (direction === 'down') return '↓ fetched from the target'
  return name === 'open' ? 'opened' : (operationTexts[name] ?? name)
}

function OneFile({ entry, onSeek }: { entry: EntryView; onSeek: (ms: number) => void }) {
  const { bytes, sha256, status } = entry.detail
  const worst = worstOf(entry.hits.map(({ severity }) => severity))
  return (
    <div class="command">
      <button type="button" class="go" onClick={() => onSeek(entry.offsetMs)}>
        <span class="number quiet">{offsetOf(entry.offsetMs)}</span>{' '}
        {worst === undefined ? null : <SeverityShape is={worst} />} {operationText(entry.detail)}
        <code class="two-lines" title={withMarks(entry.text)}>
          <Line text={bothEnds(entry.text, pathLetters)} />
        </code>
        <span class="facts-line">
          {typeof bytes === 'number' ? `${bytes.toLocaleString('en')} bytes` : null}
          {typeof status === 'string' ? (
            <span class="bad">
              {' '}
              failed: <Line text={status} />
            </span>
          ) : null}
        </span>
        {typeof sha256 === 'string' ? <code class="two-lines hash quiet">SHA-256 {sha256}</code> : null}
      </button>
      {typeof sha256 === 'string' ? (
        <Copy text={sha256} label="Copy" name="the SHA-256" class="plain small" />
      ) : null}
    </div>
  )
}
