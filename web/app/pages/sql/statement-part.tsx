/** One statement in full: its text as it was sent or with a line for each clause, its parameters apart, and what came of it. */
import { useState } from 'preact/hooks'
import type { StatementText } from '../../../../src/api/schema.ts'
import { useResource } from '../../api.ts'
import { Copy } from '../../parts/copy.tsx'
import { withMarks } from '../../parts/hidden-text.ts'
import { Line, Lines } from '../../parts/hidden.tsx'
import { Severity } from '../../parts/severity.tsx'
import { Shown } from '../../parts/states.tsx'
import { offsetOf, Time } from '../../parts/time.tsx'
import { changeQuery, useRoute } from '../../router.tsx'
import { isNew, usageText } from '../../session/usage.ts'
import { lookOf } from './look.ts'
import { pretty } from './pretty.ts'
import { LookName } from './shape.tsx'
import { outcomeOf, type Statement } from './statement.ts'

export function StatementPart({
  session,
  statement,
  text,
  siblings,
  onChoose,
}: {
  session: string
  statement: Statement
  /** In full, where the page has it itself; the gateway is asked otherwise. */
  text: StatementText | undefined
  /** Of the same transaction, itself among them. */
  siblings: readonly Statement[]
  onChoose: (number: number) => void
}) {
  const full = useResource<StatementText>(
    text === undefined ? `/sessions/${session}/statements/${statement.number}` : undefined,
  )
  return (
    <div class="statement-part">
      <p class="row-of">
        <LookName is={lookOf(statement)} />
        <Time ms={statement.atMs} precise />
        <span class="quiet">{offsetOf(statement.offsetMs)} in</span>
      </p>
      <Outcome statement={statement} />
      {text === undefined ? (
        <Shown resource={full} what="Fetching the statement">
          {text => <Full text={text} statement={statement} />}
        </Shown>
      ) : (
        <Full text={text} statement={statement} />
      )}
      <InTransaction statement={statement} siblings={siblings} onChoose={onChoose} />
    </div>
  )
}

function Outcome({ statement }: { statement: Statement }) {
  const { sqlstate, message, blocked, usage, hits } = statement
  const outcome = outcomeOf(statement)
  const words = { error: 'Failed', cancelled: 'Cancelled', blocked: 'Refused by the gateway', done: '' }
  return (
    <>
      {outcome === 'done' ? null : (
        <p class="note bad">
          <strong>{words[outcome]}</strong> {sqlstate === undefined ? null : <code>{sqlstate}</code>}{' '}
          <Line text={blocked ?? message ?? ''} />
        </p>
      )}
      {usage === undefined ? null : (
        <p class={isNew(usage) ? 'note warn' : 'quiet'}>This shape: {usageText(usage)}.</p>
      )}
      {hits.length === 0 ? null : (
        <ul class="sql-hits" aria-label="Rules that it met">
          {hits.map(({ rule, severity }) => (
            <li key={rule}>
              <Severity is={severity} label="" /> <Line text={rule} />
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function Full({ text, statement }: { text: StatementText; statement: Statement }) {
  const { query } = useRoute()
  const [isNormal, setNormal] = useState(false)
  const isPretty = query.get('pretty') !== '0'
  const shown = isNormal ? (text.normalised ?? text.text) : text.text
  return (
    <>
      <div class="row-of">
        <button
          type="button"
          class="button small"
          aria-pressed={isPretty}
          onClick={() => changeQuery({ pretty: isPretty ? '0' : undefined }, { replace: true })}
        >
          Line for each clause
        </button>
        {text.normalised === undefined ? null : (
          <button
            type="button"
            class="button small"
            aria-pressed={isNormal}
            onClick={() => setNormal(!isNormal)}
          >
            Without values
          </button>
        )}
        <Copy text={shown} label="Copy" name="the statement" />
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls */}
      <pre class="sql-text" tabIndex={0} aria-label="The statement">
        <Lines text={isPretty ? pretty(shown) : shown} />
      </pre>
      <Parameters text={text} />
      <Sample text={text} statement={statement} />
      <Facts statement={statement} said={text.facts} />
    </>
  )
}

function Parameters({ text: { parameters } }: { text: StatementText }) {
  if (parameters.length === 0) return null
  return (
    <div class="table">
      <table>
        <caption>Parameters</caption>
        <tbody>
          {parameters.map(({ type, value, masked }, index) => (
            <tr key={index}>
              <th scope="row">
                ${index + 1}{' '}
                {type === undefined ? null : (
                  <span class="quiet">
                    <Line text={type} />
                  </span>
                )}
              </th>
              <td>{masked ? <span class="badge quiet">masked</span> : <Value value={value} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Value({ value }: { value: string | null }) {
  if (value === null) return <span class="quiet">NULL</span>
  return (
    <code>
      <Line text={value} max={1000} />
    </code>
  )
}

/** The first rows of the result, where the policy keeps them. */
function Sample({
  text: { columns, head },
  statement: { rows },
}: {
  text: StatementText
  statement: Statement
}) {
  if (columns.length === 0) return null
  if (head.length === 0)
    return (
      <p class="quiet small">
        Columns: <Line text={columns.join(', ')} />. The policy keeps no rows of this result.
      </p>
    )
  return (
    <div class="sample">
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls */}
      <div class="table" tabIndex={0} role="group" aria-label="First rows">
        <table>
          <caption>
            First {head.length} of {rows?.toLocaleString('en') ?? 'unknown'} rows
          </caption>
          <thead>
            <tr>
              {columns.map((name, index) => (
                <th key={index} scope="col">
                  <Line text={name} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {head.map((row, index) => (
              <tr key={index}>
                {row.map((value, column) => (
                  <td key={column} data-label={withMarks(columns[column] ?? '')}>
                    <Value value={value} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  )
}

/** `said`: what the recording has of it besides; the shape has a button of its own here. */
function Facts({ statement, said }: { statement: Statement; said: StatementText['facts'] }) {
  const { tables, fingerprint, transaction } = statement
  const known = [
    ['tables', tables.join(', ')],
    ['transaction', transaction === undefined ? '' : String(transaction)],
  ] as const
  const lines = [
    ...known.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value })),
    ...said.filter(({ name }) => name !== 'fingerprint'),
  ]
  return (
    <dl class="facts">
      {lines.map(({ name, value }, index) => (
        <div key={index}>
          <dt>
            <Line text={name} />
          </dt>
          <dd>
            <Line text={value} />
          </dd>
        </div>
      ))}
      {fingerprint === undefined ? null : (
        <div>
          <dt>shape</dt>
          <dd>
            <button type="button" class="plain mono" onClick={() => changeQuery({ fingerprint })}>
              {fingerprint}
              <span class="unseen">: show all statements of this shape</span>
            </button>
          </dd>
        </div>
      )}
    </dl>
  )
}

function InTransaction({
  statement,
  siblings,
  onChoose,
}: {
  statement: Statement
  siblings: readonly Statement[]
  onChoose: (number: number) => void
}) {
  if (siblings.length < 2) return null
  const at = siblings.findIndex(({ number }) => number === statement.number)
  const [before, after] = [siblings[at - 1], siblings[at + 1]]
  return (
    <p class="row-of">
      <span class="quiet">
        {at + 1} of {siblings.length} in its transaction
      </span>
      <button
        type="button"
        class="button small"
        disabled={before === undefined}
        onClick={() => before && onChoose(before.number)}
      >
        Previous
      </button>
      <button
        type="button"
        class="button small"
        disabled={after === undefined}
        onClick={() => after && onChoose(after.number)}
      >
        Next
      </button>
    </p>
  )
}
