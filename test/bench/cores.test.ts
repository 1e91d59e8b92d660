import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Side } from '../../bench/src/harness/cores.ts'
import { hasProgram } from '../../bench/src/harness/machine.ts'

/* In a process of its own: it moves itself from one processor to another. */

const HARNESS = fileURLToPath(new URL('../../bench/src/harness/', import.meta.url))
/** Goes to each side and back, and tells where it was, and where what it started was. */
const TRAVELLER = `
import { execFileSync } from 'node:child_process'
import { keepOn, pinned } from './cores.ts'
const listed = status => /^Cpus_allowed_list:\\s*(.*)$/m.exec(status)[1]
const look = (command = []) =>
  listed(execFileSync('env', [...command, 'cat', '/proc/self/status'], { encoding: 'utf8' }))
const told = {}
for (const side of ['sender', 'receiver', 'alone']) {
  keepOn(side)
  told[side] = {
    own: look(),
    sender: look(pinned('sender')),
    receiver: look(pinned('receiver')),
    alone: look(pinned('alone')),
  }
}
console.log(JSON.stringify(told))
`

describe.skipIf(availableParallelism() < 2 || !hasProgram('taskset'))('the sides of a run', () => {
  let told: Record<Side, Record<Side | 'own', string>>
  beforeAll(async () => {
    const { outputFiles } = await build({
      stdin: { contents: TRAVELLER, resolveDir: HARNESS, loader: 'js' },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      write: false,
    })
    const script = outputFiles[0]!.text
    told = JSON.parse(execFileSync(process.execPath, ['-'], { input: script, encoding: 'utf8' }))
  })

  it('are apart, and alone one has both', () => {
    const { sender, receiver, alone } = told.alone
    expect(new Set([sender, receiver, alone]).size).toBe(3)
  })

  it.each(['sender', 'receiver', 'alone'] as const)('are the same seen from that of %s', side => {
    expect(told[side]).toEqual({ ...told.alone, own: told.alone[side] })
  })
})
