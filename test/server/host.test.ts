import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { ownAddresses, systemHost } from '../../server/src/host.ts'
import { maskNetwork } from '../../shared/src/index.ts'
import { lacking, MAIN } from './commands/cli.ts'
import { addr, HandClock, network } from './kit.ts'

const listen = (host: string) => () => [{ host, port: 62201 }]

describe('this host', () => {
  it('has its own addresses, alone and in a prefix, and no others', () => {
    const host = systemHost(listen('0.0.0.0'), new HandClock())
    expect(ownAddresses()).toContain('127.0.0.1')
    expect(host.isOwn(network('127.0.0.1'))).toBe(true)
    expect(host.isOwn(maskNetwork(addr('127.0.0.99'), 120))).toBe(true)
    expect(host.isOwn(network('192.0.2.77'))).toBe(false)
    expect(host.isOwn(network('2001:db8::77'))).toBe(false)
  })

  it.each([
    ['127.0.0.1', true],
    ['::1', true],
    ['0.0.0.0', true],
    ['::', true],
    ['192.0.2.1', false],
    ['2001:db8::1', false],
  ])('that listens on %s hears loopback: %s', (where, expected) => {
    expect(systemHost(listen(where), new HandClock()).listensOnLoopback).toBe(expected)
  })

  const BUILT = (name: string) => JSON.stringify(MAIN.replace('main.js', `${name}.js`))
  const NETWORK = `
set -e
ip link set lo up
ip link add wan type veth peer name lan
ip link set lan up
ip link set wan up
ip addr add 192.0.2.10/24 dev wan
ip addr add 2001:db8::10/64 dev wan nodad
ip route add default via 192.0.2.1
ip route add 198.51.100.0/24 via 192.0.2.254
ip -6 route add default via 2001:db8::1
for route in $2; do echo "route add $route.0/24 via 192.0.2.254"; done | ip -batch -
ip route add 203.0.113.0/24 via 192.0.2.253
exec "$0" --input-type=module -e "$1"
`
  const SCRIPT = `
import { ownAddresses } from ${BUILT('host')}
import { Gateways } from ${BUILT('gateways')}
const gateways = new Gateways({ now: Date.now, monotonic: () => performance.now() })
const atOnce = gateways.list()
const alive = setInterval(() => {}, 1000)
await gateways.settled()
clearInterval(alive)
const inTheEnd = gateways.list()
console.log(JSON.stringify({ atOnce, inTheEnd, own: ownAddresses() }))
`
  const unshare = ['unshare', '-Urn']
  const canUnshare = spawnSync(unshare[0]!, [...unshare.slice(1), 'ip', 'link']).status === 0

  /** The gateways of a host with these routes as well, at once and after a while. */
  function lookAround(routes: readonly string[] = []) {
    const args = [...unshare.slice(1), 'sh', '-c', NETWORK, process.execPath, SCRIPT]
    const { stdout, stderr } = spawnSync(unshare[0]!, [...args, routes.join(' ')], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    const { atOnce, inTheEnd, own } = JSON.parse(stdout)
    return { atOnce: [...new Set(atOnce)], inTheEnd: [...new Set(inTheEnd)], own }
  }

  it.skipIf(lacking(canUnshare))(
    'knows its gateways (needs iproute2 and a network namespace)',
    () => {
      const { atOnce, own } = lookAround()
      expect(atOnce.sort()).toEqual(['192.0.2.1', '192.0.2.253', '192.0.2.254', '2001:db8::1'])
      expect(own).toEqual(
        expect.arrayContaining(['192.0.2.10', '2001:db8::10', '127.0.0.1', '::1']),
      )
    },
  )

  it.skipIf(lacking(canUnshare))('reads a long table of routes in the background', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}`)
    const { atOnce, inTheEnd } = lookAround(many)
    expect(atOnce.sort()).toEqual(['192.0.2.1', '192.0.2.254', '2001:db8::1'])
    expect(inTheEnd.sort()).toEqual(['192.0.2.1', '192.0.2.253', '192.0.2.254', '2001:db8::1'])
  })
})
