import type { Host } from './host.ts'
import type { GuardBackend } from './rights.ts'

/*
 * What somebody else does to a guard, or beside it, with the programs that each kind is made with.
 */

interface Damage {
  /** For a shell. */
  readonly command: string
  /** Whether strangers get in by that. */
  readonly opens: boolean
  /** Whether the kernel still knows who is live. */
  readonly knowsWhoIsLive: boolean
}

const damage = (
  command: string,
  ...words: readonly ('opens' | 'forgets')[]
): readonly [string, Damage] => [
  command,
  { command, opens: words.includes('opens'), knowsWhoIsLive: !words.includes('forgets') },
]

const EVERY_RULE = ['iptables', 'ip6tables'].flatMap(program =>
  ['mangle', 'raw'].flatMap(table => ['-F', '-X'].map(flag => `${program} -t ${table} ${flag}`)),
)

interface ByHand {
  /** All that there is, rules and sets, whosever it is. */
  readonly takeAway: string
  /** Leaves the guard without effect, and everybody else alone. */
  readonly takeOurs: string
  readonly damages: readonly (readonly [string, Damage])[]
  /** Lets an address in at port 22, and for ever. */
  readonly letIn: (address: string) => string
}

const TAKE_AWAY = {
  nftables: 'nft flush ruleset',
  ipset: [...EVERY_RULE, 'ipset destroy'].join(' && '),
}

const TAKE_OURS = {
  nftables: 'nft delete table inet oneknock',
  ipset: 'iptables -t mangle -D PREROUTING -j ONEKNOCK',
}

export const BY_HAND: Readonly<Record<GuardBackend, ByHand>> = {
  nftables: {
    takeAway: TAKE_AWAY.nftables,
    takeOurs: TAKE_OURS.nftables,
    damages: [
      damage(TAKE_AWAY.nftables, 'opens', 'forgets'),
      damage(TAKE_OURS.nftables, 'opens', 'forgets'),
      damage('nft flush table inet oneknock', 'opens'),
      damage('nft flush chain inet oneknock guard', 'opens'),
      damage('nft insert rule inet oneknock judge accept', 'opens'),
      damage('nft flush chain inet oneknock host4'),
    ],
    letIn: address => `nft add element inet oneknock host_open4_32 '{ ${address} . tcp . 22 }'`,
  },
  ipset: {
    takeAway: TAKE_AWAY.ipset,
    takeOurs: TAKE_OURS.ipset,
    damages: [
      damage(TAKE_AWAY.ipset, 'opens', 'forgets'),
      // As whoever loads a file of rules that was saved before there was a guard.
      damage("printf '*mangle\\nCOMMIT\\n' | iptables-restore", 'opens'),
      damage(TAKE_OURS.ipset, 'opens'),
      damage('iptables -t mangle -I ONEKNOCK-host-tcp22 -j ACCEPT', 'opens'),
      damage('ipset flush', 'forgets'),
    ],
    letIn: address => `ipset add ONEKNOCK-host-open4 ${address},tcp:22`,
  },
}

/** Rules and sets of somebody who has names like ours. */
const FOREIGN_NFT = `
  table inet other {
    comment "somebody else's"
    set friends { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 }; }
    chain input {
      type filter hook input priority filter; policy accept;
      ip saddr @friends counter drop
      tcp dport { 22, 443 } accept
    }
  }
  table ip oneknock {
    chain x {
    }
  }
  table ip nat {
    chain prerouting {
      type nat hook prerouting priority dstnat;
      tcp dport 1 redirect
    }
  }`

const FOREIGN_SETS = `
  create friends hash:net family inet
  add friends 192.0.2.0/24
  create no-ONEKNOCK-host-open4 hash:net,port family inet timeout 600
  add no-ONEKNOCK-host-open4 198.51.100.7,tcp:22 timeout 0
`

const FOREIGN_RULES = `
*raw
:oneknock - [0:0]
-A PREROUTING -p udp --dport 62201 -m comment --comment "ours is -j ONEKNOCK" -j oneknock
COMMIT
*mangle
:NO-ONEKNOCK - [0:0]
-A PREROUTING -m set --match-set friends src -j NO-ONEKNOCK
-A POSTROUTING -p tcp --sport 22 -j MARK --set-mark 7
-A NO-ONEKNOCK -p tcp --dport 22 -j RETURN
COMMIT
*nat
-A PREROUTING -p tcp --dport 1 -j REDIRECT
COMMIT
*filter
-A INPUT -m set --match-set friends src -j DROP
COMMIT
`

export const addForeign: Readonly<Record<GuardBackend, (server: Host) => Promise<void>>> = {
  nftables: async server => {
    await server.nft(FOREIGN_NFT)
  },
  ipset: async server => {
    await fed(server, ['ipset', 'restore'], FOREIGN_SETS)
    await fed(server, ['iptables-restore', '--noflush'], FOREIGN_RULES)
  },
}

async function fed(server: Host, command: readonly string[], input: string): Promise<void> {
  const { status, stderr } = await server.tryRun(command, input)
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

/** All rules and sets that are not the guard's, as they are printed, without what packets count. */
export const foreignRules: Readonly<Record<GuardBackend, (server: Host) => Promise<string>>> = {
  nftables: async server =>
    (await server.run('nft', 'list', 'ruleset')).replace(
      /table inet oneknock \{[\s\S]*?\n\}\n/,
      '',
    ),
  ipset: async server => {
    const commands = [['iptables-save'], ['ip6tables-save'], ['ipset', 'save']]
    const printed = await Promise.all(commands.map(command => server.run(...command)))
    return printed.flatMap(foreignLines).join('\n')
  },
}

/** Each with its table; tables that are there without a rule or a chain do not count. */
function foreignLines(printed: string): string[] {
  let table = ''
  return printed.split('\n').flatMap(line => {
    if (line.startsWith('*')) table = line
    const says = /^(?:-A|:\S+ -|create|add) /.test(line)
    const ours = /^(?:-A |:|create |add )ONEKNOCK|-[jg] ONEKNOCK\S*$/.test(line)
    return says && !ours ? [`${table} ${line.replace(/\[\d+:\d+\]$/, '')}`] : []
  })
}

/** That the guard is there all the same. */
export const isThere: Readonly<Record<GuardBackend, (server: Host) => Promise<boolean>>> = {
  nftables: async server =>
    (await server.run('nft', 'list', 'tables')).includes('table inet oneknock'),
  ipset: async server =>
    (await server.run('iptables-save', '-t', 'mangle')).includes('-A PREROUTING -j ONEKNOCK'),
}
