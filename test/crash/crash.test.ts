import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildDaemon } from '../e2e/daemon.ts'
import { describeWithNamespaces } from '../netns/lab.ts'
import { crash } from './harness.ts'

let program: Awaited<ReturnType<typeof buildDaemon>>
beforeAll(async () => {
  program = await buildDaemon()
})
afterAll(() => program?.remove())

it('killed at any instant, the daemon keeps every promise that its clients heard', async () => {
  const seed = Date.now() % 1_000_000
  const figures = await crash({ program: program.path, kills: 20, seed })
  expect(figures.violations, `with seed ${seed}`).toEqual([])
  expect(figures.kills).toBe(20)
  expect(figures.opened).toBeGreaterThan(100)
  expect(figures.replayed).toBeGreaterThan(100)
}, 120_000)

describeWithNamespaces('with a firewall', () => {
  it('the kernel keeps them too', async () => {
    const harness = join(dirname(program.path), 'crash.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('main.ts', import.meta.url))],
      outfile: harness,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'warning',
    })
    const script = `ip link set lo up && exec "$0" "$@"`
    const inside = [process.execPath, harness, '--program', program.path]
    const options = ['--nftables', '--kills', '8']
    const child = spawn('unshare', ['--net', '--', 'sh', '-c', script, ...inside, ...options])
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        output += chunk
      })
    }
    const status = await new Promise(resolve => child.once('close', resolve))
    expect(status, output).toBe(0)
    expect(output).toMatch(/kills: 8\n/)
  }, 120_000)
})
