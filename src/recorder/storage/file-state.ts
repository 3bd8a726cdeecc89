import { stat } from 'node:fs/promises'
import { pathIn } from './local-store.ts'

/** The file is not in its folder: it was stored elsewhere, or is gone. */
const notHere = 'not here'

/**
 * What changes when somebody changes a recording in its folder: another state means that what was said of the file is of another file. The
 * time of its last change (ctime) cannot be set back without the machine's clock. Unchanged bytes may have another state.
 */
export async function fileStateOf(folder: string, recording: string): Promise<string> {
  const found = await stat(pathIn(folder, recording), { bigint: true }).catch(() => undefined)
  return found === undefined ? notHere : `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`
}
