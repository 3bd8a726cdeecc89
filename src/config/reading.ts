/** What came of reading one value of the file: the value, or a sentence's end that follows the value's path. */
export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string; readonly suggestion?: string }

export function read<T>(value: T): Reading<T> {
  return { ok: true, value }
}

export function unreadable(
  message: string,
  suggestion?: string,
): { ok: false; message: string; suggestion?: string } {
  return suggestion === undefined ? { ok: false, message } : { ok: false, message, suggestion }
}
