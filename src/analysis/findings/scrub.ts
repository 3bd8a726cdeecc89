/** Takes a person's names out of free text: quotes of commands say `/home/alice` where the pseudonym says nothing. */

/** Shorter pieces of a name are words of every day. */
const minPieceLength = 3
/** Names that one person goes by. */
const maxNames = 20
const mark = '[name]'
/** Folders that are called after people. */
const homes = /(\/(?:home|Users)\/)[^/\s'"`;|&)]+/g

export type Named = { readonly principalName: string; readonly subject: string }

/** What tells who it is, the longest first: the name, what stands before its @, and the pieces of that. */
export function namesOf({ principalName, subject }: Named): readonly string[] {
  const local = principalName.split('@')[0] ?? ''
  const pieces = [...local.split(/[^\p{L}\p{N}]+/u), ...principalName.split(/\s+/)]
  const names = [principalName, subject, local, ...pieces].filter(name => name.length >= minPieceLength)
  return [...new Set(names.map(name => name.toLowerCase()))]
    .toSorted((a, b) => b.length - a.length)
    .slice(0, maxNames)
}

/** The text without them, as whole words in any case, and without what homes are called. */
export function scrubbed(text: string, names: readonly string[]): string {
  const withoutHomes = text.replaceAll(homes, `$1${mark}`)
  if (names.length === 0) return withoutHomes
  const either = names.map(name => name.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')).join('|')
  return withoutHomes.replaceAll(
    new RegExp(`(?<![\\p{L}\\p{N}])(?:${either})(?![\\p{L}\\p{N}])`, 'giu'),
    mark,
  )
}
