import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HERE } from '../../e2e/daemon.ts'
import { Sshd } from '../../e2e/sshd.ts'
import { freeTcpPort } from '../../server/admin/gateway.ts'
import { lacking } from '../../server/commands/cli.ts'
import type { FakeServer } from '../fake-server.ts'
import { BIN, Home, serveTarget } from '../run.ts'
import { hasTmux, type Sitting, Tmux } from './tmux.ts'

/* On another machine: a real terminal, a real ssh with a terminal of its own, OpenSSH's daemon. */

const isRoot = process.getuid?.() === 0
const hasSshd = existsSync('/usr/sbin/sshd')

describe.skipIf(lacking(hasTmux) || lacking(isRoot) || lacking(hasSshd))('over ssh', () => {
  let sshd: Sshd
  let port: number
  let home: Home
  let server: FakeServer
  let at: Tmux
  beforeAll(async () => {
    port = await freeTcpPort()
    sshd = new Sshd(HERE)
    await sshd.start(port, 'ListenAddress 127.0.0.1', 'AcceptEnv LANG NO_COLOR')
  })
  afterAll(() => sshd?.remove())
  beforeEach(async () => {
    home = new Home()
    server = await serveTarget(home, {}, { services: ['ssh'] })
  })
  afterEach(async () => {
    at?.leave()
    await server.stop()
    home.remove()
  })

  /** In the place of Node on this machine: Node on the other. */
  async function sit(sitting: Sitting = {}): Promise<Tmux> {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
    const { XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME } = home.env
    const there = `XDG_CONFIG_HOME=${XDG_CONFIG_HOME} XDG_STATE_HOME=${XDG_STATE_HOME} XDG_CACHE_HOME=${XDG_CACHE_HOME} ${process.execPath} ${BIN}`
    const far = join(home.path, 'far')
    const script = `#!/bin/sh
exec ssh -F none -t -i '${sshd.identity}' -p ${port} \\
  ${options.map(option => `-o ${option}`).join(' ')} -o 'SendEnv=LANG NO_COLOR' \\
  root@127.0.0.1 'exec env ${there}'
`
    writeFileSync(far, script, { mode: 0o755 })
    at = new Tmux(home, { ...sitting, env: { ...sitting.env, NODE: far } })
    await at.sees(/❯ home/)
    return at
  }

  it('a door opens, the screen follows the size, and the terminal is left as it was', async () => {
    const tmux = await sit()
    await tmux.writes(/\x1b\[36m/)
    expect(tmux.written()).not.toMatch(/\x1b\[[\d;]*[34]8[;:]/)
    tmux.press('Enter')
    await tmux.sees(/Code {2}·/)
    tmux.resize(60, 20)
    await tmux.sees(/^─{60}\n\n {2}Code {2}·/m)
    tmux.type('123456')
    tmux.press('Enter')
    await tmux.sees(/● open ssh/)
    expect(server.received[0]!.knock.factor).toEqual({ kind: 'totp', code: '123456' })
    tmux.press('C-c')
    expect(await tmux.ends()).toBe(0)
  })

  it('NO_COLOR goes along', async () => {
    const tmux = await sit({ env: { NO_COLOR: '1' } })
    tmux.press('Enter')
    await tmux.sees(/Code {2}·/)
    expect(tmux.written()).not.toMatch(/\x1b\[(3|4|9|10)[0-7]m/)
    tmux.press('C-c')
    expect(await tmux.ends()).toBe(0)
  })
})
