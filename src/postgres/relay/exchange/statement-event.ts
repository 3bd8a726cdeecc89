/** The event of a statement, filled field by field: there is one for each, and spreading takes longer than all the rest of it. */
import type { SqlEvent, TextFields } from '../../../recorder/sql-event.ts'

type Event = Extract<SqlEvent, { type: 'statement' }>
export type StatementEvent = { -readonly [Field in keyof Event]: Event[Field] }

export function statementEvent(
  statement: number,
  how: Event['how'],
  text: TextFields | undefined,
): StatementEvent {
  const event: StatementEvent = { type: 'statement', statement, how }
  if (text !== undefined) addText(event, text)
  return event
}

export function addText(event: StatementEvent, fields: TextFields): void {
  const { text, textBase64, same, textBytes, textSha256 } = fields
  if (text !== undefined) event.text = text
  if (textBase64 !== undefined) event.textBase64 = textBase64
  if (same !== undefined) event.same = same
  if (textBytes !== undefined) event.textBytes = textBytes
  if (textSha256 !== undefined) event.textSha256 = textSha256
}
