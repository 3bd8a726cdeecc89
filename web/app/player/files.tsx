/** Files that were moved, changed or removed, as SFTP, scp and ZMODEM said. */
import type { EntryView } from '../../../src/api/schema.ts'
import { Copy } from '../parts/copy.tsx'
import { Line } from '../parts/hidden.tsx'
import { SeverityShape, worstOf } from '../parts/severity.tsx'
import { offsetOf } from '../parts/time.tsx'
import { VirtualList } from '../parts/virtual.tsx'

const rowHeight = 76

export function FilesPart({
  files,
  isComplete,
  onSeek,
}: {
  files: readonly EntryView[]
  isComplete: boolean
  onSeek: (ms: number) => void
}) {
  if (files.length === 0)
    return (
      <p class="quiet">
        {isComplete ? 'No file was moved that the gateway could see.' : 'Looking for files…'}
      </p>
    )
  return (
    <VirtualList
      label="Files"
      count={files.length}
      rowHeight={rowHeight}
      render={index => {
        const entry = files[index]
        return entry === undefined ? null : <OneFile entry={entry} onSeek={onSeek} />
      }}
    />
  )
}

function OneFile({ entry, onSeek }: { entry: EntryView; onSeek: (ms: number) => void }) {
  const { operation, direction, bytes, sha256 } = entry.detail
  const worst = worstOf(entry.hits.map(({ severity }) => severity))
  return (
    <div class="command">
      <button type="button" class="go" onClick={() => onSeek(entry.offsetMs)}>
        <span class="number quiet">{offsetOf(entry.offsetMs)}</span>{' '}
        {worst === undefined ? null : <SeverityShape is={worst} />}{' '}
        {direction === 'up' ? '↑ to the target' : direction === 'down' ? '↓ from the target' : ''}{' '}
        {String(operation ?? '')}
        {typeof bytes === 'number' ? ` · ${bytes.toLocaleString('en')} bytes` : ''}
        <span class="under-line">
          <code>
            <Line text={entry.text} max={300} />
          </code>
        </span>
        {typeof sha256 === 'string' ? <span class="under">SHA-256 {sha256}</span> : null}
      </button>
      {typeof sha256 === 'string' ? (
        <Copy text={sha256} label="Copy" name="the SHA-256" class="plain small" />
      ) : null}
    </div>
  )
}
