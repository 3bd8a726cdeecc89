import { isUtf8 } from 'node:buffer'
import type { PathFields, TargetPathFields } from '../../recorder/file-event.ts'

/** Linux takes paths of 4,096 bytes; servers that take more do not take much more. */
export const maxPathBytes: number = 16 * 1024

export function pathFields(bytes: Buffer): PathFields {
  return isUtf8(bytes) ? { path: bytes.toString() } : { pathBase64: bytes.toString('base64') }
}

export function targetPathFields(bytes: Buffer): TargetPathFields {
  return isUtf8(bytes) ? { targetPath: bytes.toString() } : { targetPathBase64: bytes.toString('base64') }
}
