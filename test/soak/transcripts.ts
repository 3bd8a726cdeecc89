import { isDeepStrictEqual } from 'node:util'
import { transcriptOf } from '../../src/analysis/transcript/transcript.ts'
import { type Cut, inBytes, inPieces, joined } from '../corpus/cuts.ts'
import { readCorpus, readHeldOut, recordsOf, type Stream } from '../corpus/stream.ts'

/** The longest piece of each round, in bytes. */
const longest = [2, 3, 7, 20, 64, 300, 4096]

/**
 * `npm run soak -- transcripts`: reads every recording of the corpus cut at every byte, nowhere, and in pieces of several sizes, and tells each
 * that is not read as it was recorded. About a minute of CPU.
 */
export function soakTranscripts(): boolean {
  const cuts: Cut[] = [inBytes, joined, ...longest.map((length, round) => inPieces(round + 1, length))]
  let differing = 0
  const streams = [...readCorpus(), ...readHeldOut()]
  for (const stream of streams) {
    const wanted = read(stream, records => [...records])
    for (const [index, cut] of cuts.entries()) {
      if (isDeepStrictEqual(read(stream, cut), wanted)) continue
      differing++
      console.log(`${stream.shell}: ${stream.name} is read otherwise by cut ${index}`)
    }
  }
  console.log({ recordings: streams.length, cuts: cuts.length, differing })
  return differing === 0
}

function read(stream: Stream, cut: Cut): unknown[] {
  return [...transcriptOf(cut(recordsOf(stream)))].map(command => ({ ...command, us: 0 }))
}
