/** The left side of the inbox: findings in groups, one of them current, some of them ticked. */
import { useEffect, useRef } from 'preact/hooks'
import type { FindingSummary } from '../../../../src/api/schema.ts'
import { withMarks } from '../../parts/hidden-text.ts'
import { Line } from '../../parts/hidden.tsx'
import { Severity, SeverityShape } from '../../parts/severity.tsx'
import { Ago, Time } from '../../parts/time.tsx'
import type { FindingGroup, Grouping } from './groups.ts'

type ListProps = {
  readonly groups: readonly FindingGroup[]
  readonly by: Grouping
  readonly current: string | undefined
  readonly ticked: ReadonlySet<string>
  readonly onOpen: (id: string) => void
  readonly onTick: (id: string) => void
}

export function FindingList({ groups, by, ...rest }: ListProps) {
  return (
    <div class="finding-list">
      {groups.map(group => (
        <section key={group.key} aria-label={by === 'none' ? 'Findings' : withMarks(titleOf(group, by))}>
          {by === 'none' ? null : (
            <h2>
              <SeverityShape is={group.worst} /> <Line text={titleOf(group, by)} />{' '}
              <span class="quiet">{group.findings.length}</span>
            </h2>
          )}
          <ul>
            {group.findings.map(finding => (
              <Item key={finding.id} finding={finding} {...rest} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  )
}

function titleOf({ key, findings }: FindingGroup, by: Grouping): string {
  const first = findings[0]
  return by === 'session' && first !== undefined ? `${first.principal} on ${first.target} (${key})` : key
}

function Item({
  finding,
  current,
  ticked,
  onOpen,
  onTick,
}: Omit<ListProps, 'groups' | 'by'> & { finding: FindingSummary }) {
  const { id, severity, sentence, principal, target, createdAtMs } = finding
  const { assignee, similar, below, snoozedUntilMs } = finding
  const isCurrent = id === current
  const item = useRef<HTMLLIElement>(null)
  useEffect(() => {
    if (isCurrent) item.current?.scrollIntoView({ block: 'nearest' })
  }, [isCurrent])
  return (
    <li ref={item} class={isCurrent ? 'current' : ''}>
      <label class="finding-tick">
        <input type="checkbox" checked={ticked.has(id)} onChange={() => onTick(id)} />
        <span class="unseen">Select: {withMarks(sentence)}</span>
      </label>
      <button
        type="button"
        class="finding-open"
        aria-current={isCurrent ? 'true' : undefined}
        onClick={() => onOpen(id)}
      >
        <span class="finding-sentence">
          <Severity is={severity} label="" /> <Line text={sentence} />
        </span>
        <span class="finding-about quiet small">
          <span>
            <Line text={principal} /> on <Line text={target} />
          </span>
          <Ago ms={createdAtMs} />
          {assignee === undefined ? null : (
            <span>
              taken by <Line text={assignee} />
            </span>
          )}
          {similar === 0 ? null : <span>{similar} similar</span>}
          {snoozedUntilMs === undefined ? null : (
            <span>
              until <Time ms={snoozedUntilMs} />
            </span>
          )}
          {below === undefined ? null : <Line text={below} />}
        </span>
      </button>
    </li>
  )
}
