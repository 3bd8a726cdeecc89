/** The statements of a session by their shape: how often, how much, when. */
import { Line } from '../../parts/hidden.tsx'
import { Table } from '../../parts/table.tsx'
import { changeQuery } from '../../router.tsx'
import { NewBadge } from '../../session/new-badge.tsx'
import { type Group, groupsOf, sparkline } from './group.ts'
import { placeOf } from './place.ts'
import { size, took } from './rows.tsx'
import { LookName } from './shape.tsx'
import type { Statement } from './statement.ts'

/** Groups that are shown: what is beyond ran once, as a rule. */
const maxGroups = 300
const sparks = 24

export function GroupRows({
  statements,
  durationMs,
  openedAtMs,
}: {
  statements: readonly Statement[]
  durationMs: number
  openedAtMs: number
}) {
  const groups = groupsOf(statements)
  return (
    <>
      {groups.length <= maxGroups ? null : (
        <p class="note">
          The {maxGroups} most frequent of {groups.length} groups are shown. Filter for the others.
        </p>
      )}
      <Table
        label="Statements grouped by their shape, the most frequent first"
        rows={groups.slice(0, maxGroups)}
        rowKey={({ key }) => key}
        columns={[
          {
            key: 'text',
            head: 'Statement',
            cell: group => <Shape group={group} />,
          },
          { key: 'class', head: 'Class', cell: ({ look }) => <LookName is={look} /> },
          {
            key: 'count',
            head: 'Runs',
            class: 'number',
            cell: ({ statements: { length } }) => length.toLocaleString('en'),
          },
          {
            key: 'errors',
            head: 'Not done',
            class: 'number',
            cell: ({ errors }) => (errors === 0 ? '' : <span class="bad">{errors}</span>),
          },
          { key: 'rows', head: 'Rows', class: 'number', cell: ({ rows }) => rows.toLocaleString('en') },
          { key: 'bytes', head: 'Bytes', class: 'number', cell: ({ bytes }) => size(bytes) },
          { key: 'took', head: 'Took', class: 'number', cell: ({ totalMs }) => took(totalMs) },
          {
            key: 'when',
            head: 'First – last',
            cell: ({ firstMs, lastMs }) => (
              <span class="time">
                {placeOf(firstMs - openedAtMs, durationMs)} – {placeOf(lastMs - openedAtMs, durationMs)}
              </span>
            ),
          },
          {
            key: 'spark',
            head: 'When',
            cell: group => <Spark counts={sparkline(group.statements, durationMs, sparks)} />,
          },
        ]}
      />
    </>
  )
}

function Shape({ group: { key, text, statements, usage } }: { group: Group }) {
  const [first] = statements
  return (
    <>
      <button
        type="button"
        class="plain mono statement-group"
        onClick={() =>
          changeQuery({
            group: undefined,
            entry: first === undefined ? undefined : String(first.number),
            fingerprint: first?.fingerprint === undefined ? undefined : key,
          })
        }
      >
        <Line text={text.trim().replaceAll(/\s+/g, ' ')} max={160} />
      </button>{' '}
      <NewBadge usage={usage} />
    </>
  )
}

/** Drawn and said: how many in each stretch is in the table of statements. */
function Spark({ counts }: { counts: readonly number[] }) {
  const most = Math.max(1, ...counts)
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${counts.length * 4} 16`}
      width={counts.length * 4}
      height="16"
      role="img"
      aria-label={`At most ${most} at once`}
    >
      {counts.map((count, index) =>
        count === 0 ? null : (
          <rect
            key={index}
            x={index * 4}
            width="3"
            y={16 - (count / most) * 14 - 1}
            height={(count / most) * 14 + 1}
          />
        ),
      )}
    </svg>
  )
}
