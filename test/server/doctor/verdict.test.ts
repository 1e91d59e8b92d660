import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Probe } from '../../../server/src/doctor/matching.ts'
import { parseRuleset } from '../../../server/src/doctor/ruleset.ts'
import { fateIn } from '../../../server/src/doctor/verdict.ts'
import { describeWithNamespaces } from '../../netns/lab.ts'
import { holdNamespace, Namespace } from '../../netns/namespace.ts'

const SSH: Probe = { family: 4, protocol: 'tcp', port: 22, state: 'new', to: 'here' }
const KNOCK: Probe = { family: 4, protocol: 'udp', port: 62_201, state: 'untracked', to: 'here' }

/** Rules of an input chain, its policy, and what becomes of a packet: as nft itself prints them. */
const CASES: readonly (readonly [policy: string, rules: string, probe: Probe, fate: string])[] = [
  ['accept', '', SSH, 'accept'],
  ['drop', '', SSH, 'drop'],
  ['drop', 'tcp dport 22 accept', SSH, 'accept'],
  ['drop', 'tcp dport 22 accept', { ...SSH, family: 6 }, 'accept'],
  ['drop', 'tcp dport 22 accept', { ...SSH, port: 23 }, 'drop'],
  ['drop', 'udp dport 22 accept', SSH, 'drop'],
  ['drop', 'tcp dport { 20-25, 80 } accept', SSH, 'accept'],
  ['drop', 'tcp dport { 80, 443 } accept', SSH, 'drop'],
  ['drop', 'tcp dport != 22 accept', SSH, 'drop'],
  ['accept', 'tcp dport != 443 drop', SSH, 'drop'],
  ['accept', 'icmp type != echo-request drop', SSH, 'accept'],
  ['drop', 'meta l4proto . th dport { tcp . 22, udp . 53 } accept', SSH, 'accept'],
  ['drop', 'meta l4proto . th dport { tcp . 23 } accept', SSH, 'drop'],
  ['drop', 'meta nfproto ipv6 accept', SSH, 'drop'],
  ['drop', 'meta nfproto ipv6 accept', { ...SSH, family: 6 }, 'accept'],
  ['drop', 'ip protocol tcp accept', SSH, 'accept'],
  ['drop', 'ip protocol tcp accept', { ...SSH, family: 6 }, 'drop'],
  ['drop', 'ct state established,related accept', SSH, 'drop'],
  ['drop', 'ct state new tcp dport 22 accept', SSH, 'accept'],
  ['drop', 'ct state vmap { established : accept, invalid : drop, new : accept }', SSH, 'accept'],
  // The guard takes knocks out of connection tracking, so they are not "new".
  ['drop', 'ct state new udp dport 62201 accept', KNOCK, 'drop'],
  ['drop', 'udp dport 62201 accept', KNOCK, 'accept'],
  ['accept', 'ct state invalid drop', KNOCK, 'accept'],
  ['drop', 'iif lo accept', SSH, 'drop'],
  ['accept', 'iifname != "lo" drop', SSH, 'drop'],
  ['drop', 'iifname "eth0" accept', SSH, 'drop, perhaps not'],
  ['drop', 'ip saddr 10.0.0.0/8 accept', SSH, 'drop, perhaps not'],
  ['drop', 'ip saddr @friends tcp dport 22 accept', SSH, 'drop, perhaps not'],
  ['drop', 'ip saddr @friends tcp dport 23 accept', SSH, 'drop'],
  ['accept', 'ip saddr @friends drop', SSH, 'accept, perhaps not'],
  ['drop', 'tcp dport 22 limit rate 5/second accept', SSH, 'drop, perhaps not'],
  ['accept', 'tcp dport 22 counter log prefix "x" reject with tcp reset', SSH, 'drop'],
  ['drop', 'fib daddr type local accept', SSH, 'accept'],
  ['drop', 'tcp dport vmap { 22 : accept, 23 : drop }', SSH, 'accept'],
  ['drop', 'tcp dport vmap { 22 : jump services }', SSH, 'accept'],
  ['drop', 'jump services', SSH, 'accept'],
  ['drop', 'jump services', { ...SSH, port: 23 }, 'drop'],
  ['drop', 'tcp dport 22 goto dropping', SSH, 'drop'],
  ['accept', 'goto returning; drop', SSH, 'accept'],
  ['accept', 'jump returning; drop', SSH, 'drop'],
  ['accept', 'ip saddr @friends jump dropping', SSH, 'accept, perhaps not'],
]

describeWithNamespaces('the doctor reads rules as the kernel does', () => {
  let host: Namespace
  beforeAll(async () => {
    host = new Namespace(await holdNamespace())
  })
  afterAll(() => host.destroy())

  it.each(CASES)('policy %s, %s', async (policy, rules, probe, expected) => {
    await host.nft(`
      flush ruleset
      table inet filter {
        set friends { type ipv4_addr; elements = { 192.0.2.1 }; }
        chain services { tcp dport 22 accept; }
        chain returning { return; }
        chain dropping { drop; }
        chain input { type filter hook input priority 0; policy ${policy}; ${rules}; }
      }`)
    const ruleset = parseRuleset(await host.run('nft', '--json', '--terse', 'list', 'ruleset'))
    const chain = ruleset.chains.find(({ name }) => name === 'input')!
    const { verdict, perhapsNot } = fateIn(chain, ruleset, probe)
    expect(`${verdict}${perhapsNot ? ', perhaps not' : ''}`).toBe(expected)
  })

  it('and those of iptables, as far as nft has words for them', async () => {
    await host.nft('flush ruleset')
    const rule = (...args: string[]) => host.run('iptables-nft', ...args)
    await rule('-P', 'INPUT', 'DROP')
    await rule('-A', 'INPUT', '-p', 'udp', '--dport', '62201', '-j', 'ACCEPT')
    await rule('-A', 'INPUT', '-p', 'tcp', '-m', 'multiport', '--dports', '22,80', '-j', 'ACCEPT')
    await rule('-A', 'INPUT', '-p', 'udp', '--dport', '53', '-j', 'REJECT')
    const ruleset = parseRuleset(await host.run('nft', '--json', '--terse', 'list', 'ruleset'))
    const input = ruleset.chains.find(({ name }) => name === 'INPUT')!
    expect(fateIn(input, ruleset, KNOCK)).toMatchObject({ verdict: 'accept', perhapsNot: false })
    expect(fateIn(input, ruleset, SSH)).toMatchObject({ verdict: 'drop', perhapsNot: true })
    expect(fateIn(input, ruleset, { ...KNOCK, port: 53 })).toMatchObject({
      verdict: 'drop',
      because: expect.stringMatching(/^INPUT, handle \d+$/),
    })
  })
})
