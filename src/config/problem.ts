import { printable } from './printable.ts'

/** One thing that is wrong with a configuration file. Line and column count from 1. */
export type Problem = {
  readonly file: string
  readonly line: number
  readonly column: number
  /** Keys joined with dots, as in `targets[0].hostKeys`; empty for the whole file. */
  readonly path: string
  readonly message: string
  readonly suggestion: string | undefined
}

/** One line for each problem, `file:line:column: path message (suggestion)`, as compilers and editors print and read it. */
export function printProblems(problems: readonly Problem[]): string {
  return problems.map(printProblem).join('\n')
}

function printProblem(problem: Problem): string {
  const { file, line, column, path, message, suggestion } = problem
  const what = path === '' ? message : `${path} ${message}`
  return printable(`${file}:${line}:${column}: ${what}${suggestion === undefined ? '' : ` (${suggestion})`}`)
}
