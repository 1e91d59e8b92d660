import { chmodSync, statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, lacking, MAIN, run } from '../commands/cli.ts'
import { Gateway } from './gateway.ts'

const GROUP = 23_456

describe.skipIf(lacking(isRoot))('a daemon with an admin group', () => {
  let g: Gateway
  beforeAll(async () => {
    g = await Gateway.make(`[admin]\ngroup = "${GROUP}"\n`)
    chmodSync(g.folder, 0o755)
    chmodSync(g.config, 0o644)
    await g.add('alice')
    await g.start()
  })
  afterAll(() => g.remove())

  const as = (groups: string, ...args: string[]) => {
    const who = ['setpriv', '--reuid=12345', '--regid=12345', groups, process.execPath, MAIN]
    return run([...who, '--config', g.config, ...args])
  }
  const MEMBER = `--groups=${GROUP}`

  it('answers its members; the ledger and the users stay closed to them', async () => {
    expect((await as(MEMBER, 'status')).status).toBe(0)
    expect((await as(MEMBER, 'reload')).status).toBe(0)
    expect((await as(MEMBER, 'grants')).stderr).toBe('Nobody is in.\n')
    for (const args of [
      ['audit', 'show'],
      ['user', 'list'],
      ['user', 'lock', 'alice'],
    ]) {
      const refused = await as(MEMBER, ...args)
      expect(refused).toMatchObject({ status: 1, stdout: '' })
      expect(refused.stderr).toMatch(/^oneknockd: .*(EACCES|cannot be read by uid 12345)/)
    }
    expect(statSync(g.state).mode & 0o777).toBe(0o710)
    expect(await g.run('check')).toMatchObject({ status: 0, stderr: '' })
  })

  it('answers nobody else, and says how it could', async () => {
    const refused = await as('--clear-groups', 'status')
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toContain('uid 12345 may not; use sudo, or see admin.group')
  })
})

it.skipIf(lacking(isRoot))('a group that there is not keeps the daemon from starting', async () => {
  const g = await Gateway.make('[admin]\ngroup = "no-such-group"\n')
  await expect(g.start()).rejects.toThrow('there is no group no-such-group: make it with groupadd')
  await g.remove()
})
