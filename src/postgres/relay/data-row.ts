import { frame } from '../wire/frame-writer.ts'
import { backend } from '../wire/message-types.ts'

/** A DataRow whose body was made by somebody else. */
export function encodeDataRowBody(body: Buffer): Buffer {
  return frame(backend.dataRow, body)
}
