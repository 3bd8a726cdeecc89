import type { Tree } from './ast.ts'
import type { MaskedTables } from './masked-tables.ts'

export function maskedReach(_tree: Tree, _masked: MaskedTables): string | undefined {
  return undefined
}
