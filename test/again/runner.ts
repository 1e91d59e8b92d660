import { TestRunner } from 'vitest'

type Tried = Parameters<TestRunner['onAfterTryTask']>[0]

/**
 * Has every test that passes done once more: its first try fails when its body is over. In CI what a
 * busy machine starved is tried a second time (vitest.config.ts), which helps only where the first try
 * left nothing in the second one's way.
 */
export default class Again extends TestRunner {
  override onAfterTryTask(test: Tried): void {
    super.onAfterTryTask(test)
    if (test.result?.retryCount === 0) throw new Error('once more, on purpose')
  }
}
