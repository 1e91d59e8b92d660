import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { hasProgram, isRoot } from './machine.ts'
import { address } from './sources.ts'

/**
 *   client ──────────────── server        two network namespaces, one cable
 *   10.201.0.2              10.201.0.1
 *   10.202.0.0 … on lo      routes 10.202.0.0/16 to the client
 */
export interface Network {
  /** Commands that run what follows them there. */
  readonly server: readonly string[]
  readonly client: readonly string[]
  readonly serverAddress: string
  /** One of the client's many addresses. */
  source(number: number): string
  remove(): void
}

/** Why there can be none; `undefined` if there can. */
export function lacksNetns(): string | undefined {
  if (!isRoot()) return 'not root, so no network namespaces'
  return hasProgram('ip') ? undefined : 'no ip (iproute2)'
}

const SERVER = '10.201.0.1'
const CLIENT = '10.201.0.2'
const SOURCES = '10.202'

/** In this process, so that no two have the same name. */
let made = 0

/** The client gets so many addresses. */
export function makeNetwork(sources: number): Network {
  removeForsaken()
  const name = `okb-${process.pid}-${made++}`
  const server = `${name}-server`
  const client = `${name}-client`
  const source = (number: number): string => address(SOURCES, number)
  const remove = () => {
    process.off('exit', remove)
    for (const name of [server, client]) spawnSync('ip', ['netns', 'del', name])
  }
  process.once('exit', remove)
  try {
    run(['netns', 'add', server])
    run(['netns', 'add', client])
    run(['link', 'add', 'wire', 'netns', server, 'type', 'veth', 'peer', 'wire', 'netns', client])
    batch(server, [
      `addr add ${SERVER}/24 dev wire`,
      'link set wire up',
      'link set lo up',
      `route add ${SOURCES}.0.0/16 via ${CLIENT}`,
    ])
    batch(client, [
      `addr add ${CLIENT}/24 dev wire`,
      'link set wire up',
      'link set lo up',
      ...Array.from({ length: sources }, (_, i) => `addr add ${source(i)}/32 dev lo`),
    ])
  } catch (error) {
    remove()
    throw error
  }
  const inside = (name: string) => ['ip', 'netns', 'exec', name]
  return {
    server: inside(server),
    client: inside(client),
    serverAddress: SERVER,
    source,
    remove,
  }
}

/** Those of runs that were killed. */
function removeForsaken(): void {
  const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  for (const [name, pid] of listed.matchAll(/^okb-(\d+)-\S+/gm)) {
    if (!existsSync(`/proc/${pid}`)) run(['netns', 'del', name])
  }
}

function run(words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function batch(name: string, lines: readonly string[]): void {
  execFileSync('ip', ['-n', name, '-batch', '-'], {
    input: lines.join('\n'),
    stdio: ['pipe', 'ignore', 'pipe'],
  })
}
