/** `share`: 0 to 1. In steps, since it is read out. */
export function readingText(share: number): string {
  return `Reading the recording: ${Math.floor(share * 20) * 5} %`
}
