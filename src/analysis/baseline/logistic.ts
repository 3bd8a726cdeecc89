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
const enough = 1e-4

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
  const samples = [...positive, ...negative]
  const { means, spreads } = standardsOf(samples)
  const rows = samples.map(sample => [
    ...sample.map((value, at) => (value - (means[at] ?? 0)) / (spreads[at] ?? 1)),
    1,
  ])
  const half = samples.length / 2
  const labelled = rows.map((row, at) =>
    at < positive.length
      ? { row, label: 1, weight: half / positive.length }
      : { row, label: 0, weight: half / negative.length },
  )
  const size = means.length + 1
  let weights = start === undefined ? zeros(size) : [...start.weights, start.bias]
  for (let step = 0; step < maxSteps; step++) {
    const change = newtonStep(labelled, weights, ridgeFloor + ridgeShare * samples.length)
    weights = weights.map((weight, at) => weight + (change[at] ?? 0))
    if (Math.max(...change.map(Math.abs)) < enough) break
  }
  return { means, spreads, weights: weights.slice(0, -1), bias: weights.at(-1) ?? 0 }
}

type Labelled = { readonly row: readonly number[]; readonly label: number; readonly weight: number }

function standardsOf(samples: readonly (readonly number[])[]): { means: number[]; spreads: number[] } {
  const size = samples[0]?.length ?? 0
  const means = zeros(size)
  const spreads = zeros(size)
  for (const sample of samples)
    for (let at = 0; at < size; at++) means[at] = (means[at] ?? 0) + (sample[at] ?? 0) / samples.length
  for (const sample of samples)
    for (let at = 0; at < size; at++)
      spreads[at] = (spreads[at] ?? 0) + ((sample[at] ?? 0) - (means[at] ?? 0)) ** 2 / samples.length
  return { means, spreads: spreads.map(square => Math.sqrt(square) + 1e-9) }
}

function newtonStep(samples: readonly Labelled[], weights: readonly number[], ridge: number): number[] {
  const size = weights.length
  const matrix = Array.from({ length: size }, () => zeros(size + 1))
  for (const { row, label, weight } of samples) {
    let odds = 0
    for (let at = 0; at < size; at++) odds += (row[at] ?? 0) * (weights[at] ?? 0)
    const chance = 1 / (1 + Math.exp(-odds))
    const error = (label - chance) * weight
    const curve = Math.max(1e-5, chance * (1 - chance)) * weight
    for (let at = 0; at < size; at++) {
      const line = matrix[at] ?? []
      const value = row[at] ?? 0
      const scaled = curve * value
      for (let other = at; other < size; other++)
        line[other] = (line[other] ?? 0) + scaled * (row[other] ?? 0)
      line[size] = (line[size] ?? 0) + error * value
    }
  }
  // It is symmetric: the lower half is the upper one.
  for (const [at, line] of matrix.entries())
    for (let other = 0; other < at; other++) line[other] = matrix[other]?.[at] ?? 0
  matrix.slice(0, -1).forEach((line, at) => {
    line[at] = (line[at] ?? 0) + ridge
    line[size] = (line[size] ?? 0) - ridge * (weights[at] ?? 0)
  })
  return solve(matrix)
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
