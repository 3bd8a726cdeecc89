/** Browsers hash asynchronously: whoever reads recordings here does that, and nothing else may ask for more. */
export function createHash(): never {
  throw new Error('there is no such thing in a browser')
}
