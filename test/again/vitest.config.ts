import { fileURLToPath } from 'node:url'
import { mergeConfig } from 'vitest/config'
import usual from '../../vitest.config.ts'

export default mergeConfig(usual, {
  test: { runner: fileURLToPath(new URL('runner.ts', import.meta.url)), retry: 1 },
})
