import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    // For what hangs, not for what is slow: a test on a machine that others use as well may take its time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Most of the time goes by in waiting for processes, so one for each core of a small machine.
    maxWorkers: 2,
    // Real processes on a shared machine: one that was starved is tried once more, and said to have been.
    retry: process.env.CI === 'true' ? 1 : 0,
  },
})
