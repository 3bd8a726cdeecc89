/** Characters that take no cell of their own: fish leaves them out of the line that it shows. */
const unseen = /^(?:\p{M}|\u200d|\p{Emoji_Modifier})$/u
/** fish's own title begins with so many characters of the command. */
const titleLength = 20

/**
 * A line as it was entered, where the title that fish sets before it runs has characters that the line on the screen lacks. A title can add
 * nothing else: any program may set one.
 */
export function withUnseen(line: string, title: string): string {
  const characters = Array.from(title)
  const shown = Array.from(line)
  let at = 0
  let read = 0
  while (read < characters.length && (at < shown.length || unseen.test(characters[read] ?? ''))) {
    if (characters[read] === shown[at]) at++
    else if (!unseen.test(characters[read] ?? '')) break
    read++
  }
  const isWhole = at === shown.length || read >= titleLength
  return isWhole ? characters.slice(0, read).join('') + shown.slice(at).join('') : line
}
