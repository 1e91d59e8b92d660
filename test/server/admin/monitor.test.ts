import { type ChildProcess, spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Monitored, monitorScreen } from '../../../server/src/commands/monitor-screen.ts'
import { Terminal } from '../../terminal.ts'
import { MAIN } from '../commands/cli.ts'
import { until } from '../kit.ts'
import { type Enrolled, Gateway } from './gateway.ts'

describe('oneknockd monitor', () => {
  let g: Gateway
  let daemon: ChildProcess
  let alice: Enrolled
  beforeEach(async () => {
    g = await Gateway.make()
    alice = await g.add('alice')
    daemon = await g.start()
  })
  afterEach(() => g.remove())

  const atTerminal = () => {
    const command = `stty cols 100 rows 24; ${process.execPath} ${MAIN} -c ${g.config} monitor`
    const terminal = new Terminal(command, { PATH: process.env.PATH, TERM: 'xterm' })
    onTestFinished(() => terminal.leave())
    return terminal
  }

  it('shows who is in and what happens, as it does, and gives the terminal back', async () => {
    const terminal = atTerminal()
    await terminal.sees('Nobody is in.')
    await g.letIn(alice)
    await terminal.sees(/alice +main +web +127\.0\.0\.1 /)
    await terminal.sees(/Z {2}alice\/main {2}127\.0\.0\.1 {2}web {2}opened for 127\.0\.0\.1 until/)
    terminal.type('q')
    await terminal.sees('\x1b[?25h\x1b[?1049l')
  })

  it('is a JSON line each second for programs, and ends with the daemon', async () => {
    const refused = await g.run('monitor')
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toBe(
      'oneknockd: monitor is for a terminal; for a program take --json, or audit tail --follow\n',
    )
    await g.letIn(alice)
    const watcher = g.spawn('monitor', '--json')
    let told = ''
    let said = ''
    watcher.stdout!.on('data', text => {
      told += text
    })
    watcher.stderr!.on('data', text => {
      said += text
    })
    await until(
      () => told,
      text => text.split('\n').length > 2,
      15_000,
    )
    const { status, grants } = JSON.parse(told.split('\n')[0]!)
    expect(status).toMatchObject({ running: true, users: 1 })
    expect(grants).toMatchObject([{ user: 'alice', state: 'open' }])
    await g.end(daemon)
    await until(
      () => watcher.exitCode,
      code => code === 0,
      15_000,
    )
    expect(said).toBe('The daemon has stopped.\n')
    const { stderr } = spawnSync(process.execPath, [MAIN, '-c', g.config, 'monitor', '--json'])
    expect(`${stderr}`).toMatch(
      /^oneknockd: no daemon runs on .*; there is nothing to see; start it/,
    )
  })
})

describe('its screen', () => {
  const grant = (n: number) => ({
    ...{ grant: `${n}`.padStart(16, '0'), user: `user-${n}`, device: 'main', services: ['web'] },
    ...{ addresses: ['203.0.113.7'], until: '2026-11-28T12:00:00Z', state: 'open' as const },
  })
  const seen = (grants: number, locked: number): Monitored => ({
    status: {
      ...{ running: true, grants, waiting: 0, pid: 1, up_s: 0, users: 3, devices: 3 },
      ...{ closing: 0, guard: { guard: 'none' }, rss_bytes: 0, packets: { hint: 7 }, doors: [] },
      locked: Array.from({ length: locked }, (_, i) => ({ who: `user-${i}`, until: 'then' })),
      ledger: { seq: 9, hash: '' },
    },
    grants: Array.from({ length: grants }, (_, i) => grant(i)),
    approvals: [],
    events: Array.from({ length: 100 }, (_, i) => `event ${i}`),
  })

  it.each([
    [80, 24],
    [40, 5],
    [10, 2],
    [200, 60],
  ])('is %i wide and %i high, whatever there is', (columns, rows) => {
    for (const many of [0, 1, 1000]) {
      const lines = monitorScreen(seen(many, many), { columns, rows })
      expect(lines).toHaveLength(rows)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
    }
  })

  it('has room for all kinds of things, and says how many it does not show', () => {
    const text = monitorScreen(seen(1000, 1000), { columns: 80, rows: 24 }).join('\n')
    expect(text).toContain('packets: 7 hint')
    expect(text).toMatch(/locked out: user-0[\s\S]*and 995 more/)
    expect(text).toMatch(/user-3 [\s\S]*and 996 more/)
    expect(text).toMatch(/event 99\n[\s\S]*q ends this$/)
  })
})
