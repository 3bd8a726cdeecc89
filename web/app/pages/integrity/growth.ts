/** Asks the gateway to show that its log only grew between two checkpoints, and checks what it shows. */
import type { ConsistencyView } from '../../../../src/api/schema.ts'
import { get } from '../../api.ts'
import type { Checkpoint } from './checkpoint.ts'
import { checkGrowth } from './log-checks.ts'
import type { Check } from './recording.ts'

/** In either order. Every log begins with an empty one, and one of the same size needs no proof. */
export async function growthBetween(a: Checkpoint, b: Checkpoint, signal?: AbortSignal): Promise<Check> {
  const [from, to] = [Math.min(a.size, b.size), Math.max(a.size, b.size)]
  if (from === 0 || from === to) return checkGrowth(a, b, [])
  const { proof } = await get<ConsistencyView>('/integrity/consistency', { from, to }, signal)
  return checkGrowth(a, b, proof)
}
