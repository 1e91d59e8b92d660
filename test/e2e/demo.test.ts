import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

/** What `npm run demo` runs after its build. */
const FOLDER = fileURLToPath(new URL('..', import.meta.url))

it('the demo sees every step, and says so with its exit status', async () => {
  const { status, output } = await new Promise<{ status: number; output: string }>(resolve => {
    execFile('npm', ['run', 'demo', '--silent'], { cwd: FOLDER }, (error, stdout, stderr) => {
      const status = typeof error?.code === 'number' ? error.code : error ? -1 : 0
      resolve({ status, output: stdout + stderr })
    })
  })
  expect({ status, output }).toMatchObject({ status: 0 })
  expect(output).toContain('8. Alice mistypes her code.')
})
