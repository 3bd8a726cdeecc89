/** Why a finding fired: what was seen beside what is usual, each with the numbers behind it. */
import type { FindingDetail } from '../../../../src/api/schema.ts'
import { Line } from '../../parts/hidden.tsx'
import { offsetOf } from '../../parts/time.tsx'
import { Link } from '../../router.tsx'
import { momentOf } from '../search/groups.ts'

type Reason = FindingDetail['why'][number]

/** The bars are drawn in a table, so that what they show stands beside them in numbers. */
export function Why({ finding }: { finding: FindingDetail }) {
  const most = Math.max(0.001, ...finding.why.map(({ adds = 0 }) => Math.abs(adds)))
  const hasUsual = finding.why.some(({ own, peers, everybody }) =>
    [own, peers, everybody].some(text => text !== undefined),
  )
  const hasBars = finding.why.some(({ adds }) => adds !== undefined)
  return (
    <section aria-labelledby="why-head">
      <h3 id="why-head">Why</h3>
      <div class="table">
        <table>
          <caption class="unseen">What was seen, what is usual, and how much each adds</caption>
          <thead>
            <tr>
              <th scope="col">Observed</th>
              {hasUsual ? (
                <>
                  <th scope="col">This person</th>
                  <th scope="col">Peers</th>
                  <th scope="col">Everybody</th>
                </>
              ) : null}
              {hasBars ? <th scope="col">Adds (log odds)</th> : null}
            </tr>
          </thead>
          <tbody>
            {finding.why.map((reason, index) => (
              <tr key={index}>
                <th scope="row">
                  <Line text={reason.observed} /> <Moment reason={reason} session={finding.session} />
                </th>
                {hasUsual ? (
                  <>
                    <Usual name="This person" text={reason.own} />
                    <Usual name="Peers" text={reason.peers} />
                    <Usual name="Everybody" text={reason.everybody} />
                  </>
                ) : null}
                {hasBars ? (
                  <td data-label="Adds (log odds)">
                    <Bar adds={reason.adds} most={most} />
                  </td>
                ) : null}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function Usual({ name, text }: { name: string; text: string | undefined }) {
  return <td data-label={name}>{text === undefined ? <span class="quiet">–</span> : <Line text={text} />}</td>
}

function Moment({ reason, session }: { reason: Reason; session: string }) {
  const { offsetMs, entry } = reason
  if (offsetMs === undefined) return null
  const place = entry === undefined ? { session, offsetMs } : { session, offsetMs, entry }
  return (
    <Link to={momentOf(place)} class="moment">
      {offsetOf(offsetMs)}
    </Link>
  )
}

function Bar({ adds, most }: { adds: number | undefined; most: number }) {
  if (adds === undefined) return <span class="quiet">–</span>
  const share = Math.min(1, Math.abs(adds) / most)
  return (
    <span class="contribution">
      <span
        class={`contribution-bar ${adds < 0 ? 'less' : ''}`}
        style={{ '--share': String(share) }}
        aria-hidden="true"
      />
      <span class="number">{`${adds < 0 ? '−' : '+'}${Math.abs(adds).toFixed(1)}`}</span>
    </span>
  )
}
