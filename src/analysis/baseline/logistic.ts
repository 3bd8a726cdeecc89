/** Logistic regression by Newton's method with a ridge, on standardised features; both classes weigh the same. */

export type LogisticModel = {
  readonly means: readonly number[]
  readonly spreads: readonly number[]
  readonly weights: readonly number[]
  readonly bias: number
}

/** The penalty of a weight: `ridgeFloor` and so much for each sample. */
const ridgeFloor = 1
const ridgeShare = 0.002
const maxSteps = 15
/** What a step changes of a weight at most; the next one would change the square of it. */
const enough = 1e-3

/** Log odds that a sample is of the positive class, where both are as likely before. */
export function logOdds(model: LogisticModel, features: readonly number[]): number {
  let sum = model.bias
  for (let at = 0; at < model.weights.length; at++)
    sum += slopeOf(model, at) * ((features[at] ?? 0) - (model.means[at] ?? 0))
  return sum
}

/** What one unit of a feature adds to the log odds. */
export function slopeOf(model: LogisticModel, feature: number): number {
  return (model.weights[feature] ?? 0) / (model.spreads[feature] ?? 1)
}

/** Of all features. */
export function slopesOf(model: LogisticModel): readonly number[] {
  return model.weights.map((_, feature) => slopeOf(model, feature))
}

/** Needs at least one sample of each class. `start`: a model of much the same samples; it saves steps and changes nothing else. */
export function fitLogistic(
  positive: readonly (readonly number[])[],
  negative: readonly (readonly number[])[],
  start?: LogisticModel,
): LogisticModel {
  const count = positive.length + negative.length
  const size = (positive[0]?.length ?? 0) + 1
  const rows = rowsOf([positive, negative], count, size)
  const { means, spreads } = standardise(rows, count, size)
  const labelled: Labelled = {
    rows,
    size,
    positiveEnd: positive.length * size,
    weights: [count / 2 / positive.length, count / 2 / negative.length],
  }
  let weights = start === undefined ? zeros(size) : [...start.weights, start.bias]
  for (let step = 0; step < maxSteps; step++) {
    const change = newtonStep(labelled, weights, ridgeFloor + ridgeShare * count)
    weights = weights.map((weight, at) => weight + (change[at] ?? 0))
    if (Math.max(...change.map(Math.abs)) < enough) break
  }
  return { means, spreads, weights: weights.slice(0, -1), bias: weights.at(-1) ?? 0 }
}

/** One sample after the other in one list, `size` numbers each; the positive ones first, zeros last until they are a multiple of four. */
type Labelled = {
  readonly rows: Float64Array
  readonly size: number
  readonly positiveEnd: number
  /** What one positive and one negative sample weighs. */
  readonly weights: readonly [number, number]
}

/** One after the other, each with a 1 at its end. */
function rowsOf(
  classes: readonly (readonly (readonly number[])[])[],
  count: number,
  size: number,
): Float64Array {
  const rows = new Float64Array(Math.ceil(count / 4) * 4 * size)
  let from = 0
  for (const samples of classes)
    for (const sample of samples) {
      for (let at = 0; at < size - 1; at++) rows[from + at] = sample[at] ?? 0
      rows[from + size - 1] = 1
      from += size
    }
  return rows
}

/** Takes the means away from all features and divides by their spreads; answers with both. */
function standardise(
  rows: Float64Array,
  count: number,
  size: number,
): { readonly means: number[]; readonly spreads: number[] } {
  const features = size - 1
  const end = count * size
  const means = new Float64Array(features)
  for (let from = 0; from < end; from += size)
    for (let at = 0; at < features; at++) means[at] = (means[at] ?? 0) + (rows[from + at] ?? 0)
  for (let at = 0; at < features; at++) means[at] = (means[at] ?? 0) / count
  const squares = new Float64Array(features)
  for (let from = 0; from < end; from += size)
    for (let at = 0; at < features; at++) {
      const distance = (rows[from + at] ?? 0) - (means[at] ?? 0)
      rows[from + at] = distance
      squares[at] = (squares[at] ?? 0) + distance * distance
    }
  const spreads = squares.map(square => Math.sqrt(square / count) + 1e-9)
  for (let from = 0; from < end; from += size)
    for (let at = 0; at < features; at++) rows[from + at] = (rows[from + at] ?? 0) / (spreads[at] ?? 1)
  return { means: [...means], spreads: [...spreads] }
}

function newtonStep(samples: Labelled, weights: readonly number[], ridge: number): number[] {
  const { size } = samples
  const width = size + 1
  const sums = curvature(samples, Float64Array.from(weights))
  const matrix = Array.from({ length: size }, (_, at) => [...sums.subarray(at * width, (at + 1) * width)])
  // It is symmetric: the lower half is the upper one.
  for (const [at, line] of matrix.entries())
    for (let other = 0; other < at; other++) line[other] = matrix[other]?.[at] ?? 0
  matrix.slice(0, -1).forEach((line, at) => {
    line[at] = (line[at] ?? 0) + ridge
    line[size] = (line[size] ?? 0) - ridge * (weights[at] ?? 0)
  })
  return solve(matrix)
}

/**
 * The upper half of the second derivatives, line by line, with the first one at the end of each: most of what a fit costs. Four samples
 * at once, so that each sum is read and written once for all of them; what is missing at the end is all zeros.
 */
function curvature(labelled: Labelled, weights: Float64Array): Float64Array {
  const { rows, size } = labelled
  const sums = new Float64Array(size * (size + 1))
  const odd = new Float64Array(8)
  for (let first = 0; first < rows.length; first += 4 * size) {
    for (let place = 0; place < 4; place++) weighSample(labelled, weights, first, place, odd)
    addFour(rows, size, first, odd, sums)
  }
  return sums
}

/** By how much a sample is off, and in the second half of `odd` how much it curves; both weighed. */
function weighSample(
  { rows, size, positiveEnd, weights: ofClass }: Labelled,
  weights: Float64Array,
  first: number,
  place: number,
  odd: Float64Array,
): void {
  const from = first + place * size
  let odds = 0
  for (let at = 0; at < size; at++) odds += (rows[from + at] ?? 0) * (weights[at] ?? 0)
  const chance = 1 / (1 + Math.exp(-odds))
  const isPositive = from < positiveEnd
  const weight = isPositive ? ofClass[0] : ofClass[1]
  odd[place] = ((isPositive ? 1 : 0) - chance) * weight
  odd[place + 4] = Math.max(1e-5, chance * (1 - chance)) * weight
}

function addFour(rows: Float64Array, size: number, a: number, odd: Float64Array, sums: Float64Array): void {
  const b = a + size
  const c = b + size
  const d = c + size
  for (let at = 0; at < size; at++) {
    const ofA = rows[a + at] ?? 0
    const ofB = rows[b + at] ?? 0
    const ofC = rows[c + at] ?? 0
    const ofD = rows[d + at] ?? 0
    const curveA = ofA * (odd[4] ?? 0)
    const curveB = ofB * (odd[5] ?? 0)
    const curveC = ofC * (odd[6] ?? 0)
    const curveD = ofD * (odd[7] ?? 0)
    const line = at * (size + 1)
    for (let other = at; other < size; other++) {
      const first = curveA * (rows[a + other] ?? 0) + curveB * (rows[b + other] ?? 0)
      const second = curveC * (rows[c + other] ?? 0) + curveD * (rows[d + other] ?? 0)
      sums[line + other] = (sums[line + other] ?? 0) + first + second
    }
    const errors = (odd[0] ?? 0) * ofA + (odd[1] ?? 0) * ofB + (odd[2] ?? 0) * ofC + (odd[3] ?? 0) * ofD
    sums[line + size] = (sums[line + size] ?? 0) + errors
  }
}

/** Gauss–Jordan elimination; the last column is the right side. The ridge keeps the matrix regular. */
function solve(matrix: number[][]): number[] {
  const size = matrix.length
  for (let at = 0; at < size; at++) {
    const lines = matrix.slice(at)
    const pivot = lines.reduce((best, line) =>
      Math.abs(line[at] ?? 0) > Math.abs(best[at] ?? 0) ? line : best,
    )
    matrix.splice(matrix.indexOf(pivot), 1)
    matrix.splice(at, 0, pivot)
    for (const line of matrix) {
      if (line === pivot) continue
      const factor = (line[at] ?? 0) / (pivot[at] ?? 1)
      for (let column = at; column <= size; column++)
        line[column] = (line[column] ?? 0) - factor * (pivot[column] ?? 0)
    }
  }
  return matrix.map((line, at) => (line[size] ?? 0) / (line[at] ?? 1))
}

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0)
}
