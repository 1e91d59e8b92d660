import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SILENCE } from '../../../server/src/listeners/listener.ts'
import { Histogram } from '../../../server/src/metrics/histogram.ts'
import { CONNECTIONS_MAX, serveMetrics } from '../../../server/src/metrics/server.ts'
import { Metrics } from '../../../server/src/metrics.ts'
import { kit, until } from '../kit.ts'
import { codeOf, freeTcpPort, Gateway } from './gateway.ts'

describe('a histogram', () => {
  it('counts what took no longer than each bound, and all of it', () => {
    const histogram = new Histogram()
    for (const ms of [0.1, 0.5, 3, 99, 100, 60_000]) histogram.observe(ms)
    const { upTo, sum } = histogram.read()
    const counts = Object.fromEntries(upTo)
    expect(counts).toMatchObject({
      '0.0005': 2,
      '0.001': 2,
      '0.005': 3,
      '0.05': 3,
      '0.1': 5,
      '10': 5,
      '+Inf': 6,
    })
    expect(sum).toBeCloseTo(60.2026)
  })
})

it('silence is passed on as it is: no promise, no time taken', () => {
  const k = kit()
  const metrics = new Metrics({
    ...k,
    directory: () => ({ services: new Map(), users: new Map() }),
    head: () => ({ seq: 0, hash: '' }),
  })
  const judge = metrics.timed(k.gatekeeper.judge)
  expect(judge({ datagram: new Uint8Array(256), source: '192.0.2.1' })).toBe(SILENCE)
  expect(metrics.read()).toContain('oneknock_knock_seconds_count 0\n')
  expect(metrics.read()).toContain('oneknock_packets_total{outcome="hint"} 1\n')
  k.counters.countValidation('used')
  expect(metrics.read()).toContain('oneknock_validations_total{outcome="used"} 1\n')
})

it('are there again soon for whoever scrapes, though others connect and say nothing', async () => {
  const port = await freeTcpPort()
  const at = { host: '127.0.0.1', port }
  const stop = await serveMetrics(at, () => 'numbers', 300)
  const idle = Array.from({ length: CONNECTIONS_MAX }, () => connect(port))
  const scrape = () =>
    fetch(`http://127.0.0.1:${port}/metrics`).then(
      ({ status }) => status,
      () => 'hung up',
    )
  await Promise.all(idle.map(socket => once(socket, 'connect')))
  expect(await scrape()).toBe('hung up')
  await until(scrape, status => status === 200)
  for (const socket of idle) socket.destroy()
  await stop()
})

describe('the metrics of a daemon', () => {
  let g: Gateway
  let port: number
  beforeEach(async () => {
    port = await freeTcpPort()
    g = await Gateway.make(`[metrics]\nlisten = "127.0.0.1:${port}"\n
[services.broken.exec]\nopen = ["/bin/false"]\n`)
    await g.start()
  })
  afterEach(() => g.remove())

  const scrape = (path = '/metrics', method = 'GET') =>
    fetch(`http://127.0.0.1:${port}${path}`, { method })

  async function numbers(): Promise<ReadonlyMap<string, number>> {
    const text = await (await scrape()).text()
    const samples = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
    return new Map(
      samples.map(line => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' '))),
      ]),
    )
  }

  it('tell of packets, knocks, the ledger and the hooks', async () => {
    const alice = await g.json('user', 'add', 'alice', '--services', 'web,broken')
    const knocker = g.knocker(alice)
    await knocker.send(new Uint8Array(256))
    await knocker.send(new Uint8Array(17))
    await knocker.ask({ services: ['web'], factor: { kind: 'totp', code: codeOf(alice) } })
    const failing = { kind: 'recovery', code: alice.recovery_codes[0] } as const
    const failed = await knocker.ask({ services: ['broken'], factor: failing })
    expect(failed.reason).toBe('hook-failed')

    const seen = await numbers()
    expect(Object.fromEntries(seen)).toMatchObject({
      'oneknock_packets_total{outcome="hint"}': 1,
      'oneknock_packets_total{outcome="length"}': 1,
      'oneknock_packets_total{outcome="opened"}': 2,
      oneknock_grants: 1,
      oneknock_users: 1,
      oneknock_devices: 1,
      oneknock_locked: 0,
      oneknock_knock_seconds_count: 2,
      'oneknock_hook_seconds_count{hook="gate",action="open"}': 1,
      'oneknock_hook_seconds_count{hook="exec",action="open"}': 1,
      'oneknock_hook_errors_total{hook="exec",action="open",code="failed"}': 1,
    })
    expect(seen.get('oneknock_ledger_lines_total')).toBe((await g.json('audit', 'head')).seq)
    expect(seen.get('oneknock_ledger_write_seconds_count')).toBeGreaterThan(2)
  })

  it('are in the format of Prometheus: each described once, before its samples', async () => {
    const response = await scrape()
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    let described = ''
    const names: string[] = []
    for (const line of (await response.text()).trimEnd().split('\n')) {
      const [, name] = /^# HELP ([a-z_]+) \S.*$/.exec(line) ?? []
      if (name) names.push(name)
      const [, typed] = /^# TYPE ([a-z_]+) (?:counter|gauge|histogram)$/.exec(line) ?? []
      if (typed) described = typed
      if (line.startsWith('#')) expect(name ?? typed).toBeDefined()
      else
        expect(line).toMatch(
          new RegExp(`^${described}(_bucket|_sum|_count)?(\\{.*\\})? [0-9.e+-]+$`),
        )
    }
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('oneknock_knock_seconds')
  })

  it('hold nobody’s name, and nothing else is served there', async () => {
    const reply = await g.letIn(await g.add('alice'))
    expect(reply.status).toBe('opened')
    const text = await (await scrape()).text()
    expect(text).toContain('oneknock_grants 1\n')
    expect(text).not.toContain('alice')
    expect((await scrape('/')).status).toBe(404)
    expect((await scrape('/metrics', 'POST')).status).toBe(404)
  })

  it('are for this host alone, and not moved by a reload', async () => {
    const settings = readFileSync(g.config, 'utf8')
    writeFileSync(g.config, settings.replace(`127.0.0.1:${port}`, `0.0.0.0:${port}`))
    expect((await g.run('check')).stderr).toContain('write a loopback address')
    writeFileSync(g.config, settings.replace(`127.0.0.1:${port}`, `127.0.0.1:${port + 1}`))
    expect((await g.run('reload')).stderr).toContain('metrics.listen cannot change')
  })
})
