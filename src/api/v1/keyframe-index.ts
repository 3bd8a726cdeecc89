import { reasonOf } from '../../errors.ts'
import { prepareIndex } from '../../recorder/keyframe.ts'
import type { ApiParts } from './deps.ts'

/** Makes the index of keyframes of a recording. What is damaged can be played all the same, from its beginning: then it resolves to false. */
export async function madeIndex({ log }: Pick<ApiParts, 'log'>, file: string): Promise<boolean> {
  try {
    await prepareIndex(file)
    return true
  } catch (cause) {
    log.warn({ cause: reasonOf(cause) }, 'api: a recording has no index of keyframes')
    return false
  }
}
