import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Service } from '../../../server/src/core/directory.ts'
import type { Opening } from '../../../server/src/core/openings.ts'
import { ExecHook } from '../../../server/src/hooks/exec.ts'
import { ManualClock } from './clock.ts'
import { service } from './service.ts'

describe('commands that change while something is open', () => {
  let folder: string
  let file: string
  let clock: ManualClock
  let hook: ExecHook

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oneknock-exec-'))
    file = join(folder, 'notes')
    writeFileSync(file, '')
    clock = new ManualClock()
  })
  afterEach(async () => {
    await hook.stop()
    rmSync(folder, { recursive: true })
  })

  const noting = (name: string, as: string): Service =>
    service(name, {
      exec: {
        open: ['/bin/sh', '-c', `echo open ${as} >> ${file}`],
        close: ['/bin/sh', '-c', `echo close ${as} >> ${file}`],
        timeLimit: 10_000,
      },
    })

  async function start(...services: Service[]): Promise<void> {
    hook = new ExecHook({ services, clock, log: () => {}, helperSocket: '/nowhere' })
    await hook.start()
  }

  const configure = (...services: Service[]) =>
    hook.configure({ services, allow: [], spaPorts: [] })
  const notes = () => readFileSync(file, 'utf8').trim().split('\n')
  const opening = (address = '192.0.2.7'): Opening => ({
    service: 'lamp',
    network: parseNetwork(address)!,
    until: clock.now() + 60_000,
  })

  it('close it as it was opened, and open anew as they are now', async () => {
    await start(noting('lamp', 'first'))
    await hook.open(opening())
    await configure(noting('lamp', 'second'))
    await hook.open(opening())
    expect(notes(), 'renewing runs nothing').toEqual(['open first'])
    await hook.open(opening('192.0.2.8'))
    await hook.close(opening())
    await hook.close(opening('192.0.2.8'))
    expect(notes()).toEqual(['open first', 'open second', 'close first', 'close second'])
    await hook.open(opening())
    expect(notes().at(-1)).toBe('open second')
  })

  it('close it although their service is gone', async () => {
    await start(noting('lamp', 'first'))
    await hook.open(opening())
    await configure()
    await hook.close(opening())
    expect(notes()).toEqual(['open first', 'close first'])
  })

  it('close what an earlier run opened as they are now, also once their service is gone', async () => {
    await start(noting('lamp', 'first'))
    await configure(noting('lamp', 'second'))
    await hook.close(opening())
    await configure()
    await hook.close(opening('192.0.2.8'))
    expect(notes()).toEqual(['close second', 'close second'])
  })
})
