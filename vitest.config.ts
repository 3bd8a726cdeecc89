import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Short to read and long to run: without their names the runner starts them last, and then everything waits for them. */
const slowest = /\/e2e\/(?:kills|postgres-soak|conformance|disks|rekey|limits)\.test\.ts$/

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- the runner's, not an array's
    const sorted = await super.sort(files)
    const isSlow = ({ moduleId }: TestSpecification): boolean => slowest.test(moduleId)
    return [...sorted.filter(isSlow), ...sorted.filter(file => !isSlow(file))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: SlowestFirst },
    env: {
      // Every test's gateways and commands start with the code that earlier ones compiled: it is half of what they cost.
      NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/sallyport'),
      // A bare machine names no locale, and Java and others then write question marks for what is not ASCII.
      LC_ALL: 'C.UTF-8',
    },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          globalSetup: 'test/support/memory-folder.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 20_000 } }, // machines are busy; a poll that is met ends at once
          pool: 'forks',
          maxWorkers: '100%', // Vitest leaves one core free, which is half of a small machine
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 90_000,
          expect: { poll: { timeout: 20_000 } },
          hookTimeout: 120_000,
          pool: 'forks',
          // One more than there are cores: a quarter of the time all of them wait. Each starts some ten processes.
          maxWorkers: Math.min(availableParallelism() + 1, 4),
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
