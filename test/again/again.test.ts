import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

/** `npm run test:again`, of tests that are written here. */

const CONFIG = fileURLToPath(new URL('vitest.config.ts', import.meta.url))
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
/** What is built is nobody's source, and finds vitest as the sources do. */
const BUILT = fileURLToPath(new URL('../dist/', import.meta.url))

const TESTS = `
import { expect, it } from 'vitest'
let left = 0
it('stands alone', () => expect(1).toBe(1))
it('leaves something behind', () => expect(left++).toBe(0))
it('fails', () => expect(1).toBe(2))
`

it('a test that passes once only is found out, and no other', async () => {
  mkdirSync(BUILT, { recursive: true })
  const root = mkdtempSync(join(BUILT, 'again-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'test'))
  writeFileSync(join(root, 'test', 'some.test.ts'), TESTS)
  const args = ['run', '--config', CONFIG, '--root', root, '--reporter=json']
  const { status, stdout } = await new Promise<{ status: unknown; stdout: string }>(resolve =>
    execFile(process.execPath, [VITEST, ...args], (error, stdout) =>
      resolve({ status: error?.code ?? 0, stdout }),
    ),
  )
  const [file] = JSON.parse(stdout).testResults
  const results = file.assertionResults.map(
    ({ title, status }: Record<string, string>) => `${title}: ${status}`,
  )
  expect(results).toEqual([
    'stands alone: passed',
    'leaves something behind: failed',
    'fails: failed',
  ])
  expect(status).toBe(1)
})
