import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseNetwork } from '@oneknock/shared'
import { build } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../server/src/core/clock.ts'
import { KEY, permits, privateFolder, removeFolder, startHook } from './authorized-keys.ts'

const REST = `ssh-rsa AAAA somebody else\n# no line end at the end`
const isRoot = process.geteuid?.() === 0
/** Of the account, not of the writer, as far as this process may. */
const OWNER = isRoot ? { uid: 65534, gid: 65534 } : {}

describe('a writer that is killed', () => {
  let folder: string
  let home: string
  let file: string
  let writer: string

  beforeAll(async () => {
    folder = privateFolder()
    writer = join(folder, 'writer.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('authorized-keys-writer.ts', import.meta.url))],
      outfile: writer,
      bundle: true,
      platform: 'node',
      format: 'esm',
    })
  })
  afterAll(() => removeFolder(folder))

  beforeEach(() => {
    home = privateFolder()
    file = join(home, 'authorized_keys')
    writeFileSync(file, REST)
    chmodSync(file, 0o640)
    if (isRoot) for (const path of [file, home]) chownSync(path, 65534, 65534)
    return () => removeFolder(home)
  })

  const read = () => readFileSync(file, 'latin1')

  /** Whole, whatever happened: untouched or with one whole block, and still its owner's. */
  function expectWhole(): void {
    expect(statSync(file)).toMatchObject({ mode: 0o100640, ...OWNER })
    const text = read()
    expect(text.endsWith(REST)).toBe(true)
    const block = text.slice(0, -REST.length)
    expect(block).toMatch(
      /^(# BEGIN oneknock[^\n]*\n(# [^\n]*\n|restrict,[^\n]* oneknock:\S+\n)+# END oneknock\n)?$/,
    )
  }

  /** The next one finds what there is, takes it away and leaves nothing else behind. */
  async function expectRepaired(): Promise<void> {
    const services = [permits('forwards', file, [{ host: 'mail.internal', port: 993 }])]
    const hook = await startHook({ services, clock: systemClock })
    expect(readdirSync(home)).toEqual(['authorized_keys'])
    for (const opening of await hook.list()) await hook.close(opening)
    expect(read()).toBe(REST)
    const network = parseNetwork('203.0.113.7')!
    await hook.open({ service: 'forwards', user: 'anna', network, until: Date.now() + 60_000 })
    expect(read()).toContain(KEY)
  }

  it('before any one step leaves the old file or the new one', async () => {
    const whole = spawnSync(process.execPath, [writer, file, '0', KEY], { encoding: 'utf8' })
    expect(whole.stderr).toBe('')
    const steps = Number(whole.stdout)
    // Folder, file, draft: opened, asked, read, written, owned, made durable, put in place.
    expect(steps).toBeGreaterThan(20)
    const opened: boolean[] = []
    for (let step = 1; step <= steps; step++) {
      writeFileSync(file, REST)
      const { signal } = spawnSync(process.execPath, [writer, file, `${step}`, KEY])
      expect(signal).toBe('SIGKILL')
      expectWhole()
      opened.push(read() !== REST)
      await expectRepaired()
    }
    // First the old file, from one step on the new one.
    expect(opened).toEqual([...opened].sort())
    expect(new Set(opened)).toEqual(new Set([false, true]))
  }, 60_000)

  it('at any instant among many grants at once leaves a whole file', async () => {
    for (let round = 0; round < 8; round++) {
      writeFileSync(file, REST)
      const child = spawn(process.execPath, [writer, file, '', KEY], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      await delay(Math.random() * 60)
      child.kill('SIGKILL')
      await once(child, 'exit')
      expectWhole()
      await expectRepaired()
    }
  }, 60_000)
})
