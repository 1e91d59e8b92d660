import type { ChildProcess } from 'node:child_process'
import { holdNamespace, Namespace } from './namespace.ts'
import { Remote } from './rpc.ts'

export type Protocol = 'tcp' | 'udp'

/** How a port answers: by a service, by silence, or by somebody who says that nobody is there. */
export type Answer = 'open' | 'silent' | 'refused' | 'unreachable'

export interface ConnectOptions {
  readonly localPort?: number
  /** What a UDP flow begins with. */
  readonly first?: string
  readonly limitMs?: number
}

/** Milliseconds without an answer, on a network without delay, after which a port counts as silent. */
const SILENCE = 400
/** Milliseconds for what should come: the machine may be busy. */
const PATIENCE = 5_000

/** A machine on the network, and what can be done from it. */
export class Host extends Namespace {
  readonly v4: string
  readonly v6: string
  readonly #agent: Remote

  private constructor(holder: ChildProcess, v4: string, v6: string, agent: string) {
    super(holder)
    this.v4 = v4
    this.v6 = v6
    this.#agent = new Remote(this.spawn([process.execPath, agent]))
  }

  static async create(v4: string, v6: string, agent: string): Promise<Host> {
    const host = new Host(await holdNamespace(), v4, v6, agent)
    // Addresses are used at once, without asking for a second whether somebody else has them.
    const quick = ['all', 'default'].map(which => `net.ipv6.conf.${which}.accept_dad=0`)
    await host.run('sysctl', '-qw', ...quick)
    await host.run('ip', 'link', 'set', 'lo', 'up')
    return host
  }

  async address(device: string, ...addresses: readonly string[]): Promise<void> {
    for (const address of addresses) await this.run('ip', 'address', 'add', address, 'dev', device)
  }

  /** Starts an echo service on all addresses of both families. */
  listen(protocol: Protocol, port: number): Promise<void> {
    return this.#agent.call('listen', protocol, port)
  }

  /** Lets the UDP service on this port send something to all whom it ever heard. */
  speak(port: number, text: string): Promise<void> {
    return this.#agent.call('speak', port, text)
  }

  /** Lets the TCP services here send something to all who are connected. */
  shout(text: string): Promise<void> {
    return this.#agent.call('shout', text)
  }

  /** Starts a service that sends without end to whoever came. */
  recite(protocol: Protocol, port: number): Promise<void> {
    return this.#agent.call('recite', protocol, port)
  }

  /** How often such services here have sent something. */
  recited(): Promise<number> {
    return this.#agent.call('recited')
  }

  /** Ends all services and connections here. */
  rest(): Promise<void> {
    return this.#agent.call('rest')
  }

  /** How many TCP connections the services here hold. */
  connections(): Promise<number> {
    return this.#agent.call('connections')
  }

  /** How a port answers in the end: for where an answer should come, on a busy machine too. */
  reach(protocol: Protocol, to: string, port: number, options?: ConnectOptions): Promise<Answer> {
    return this.probe(protocol, to, port, { limitMs: PATIENCE, ...options })
  }

  /** How a port answers to a new connection from here: for where silence should be. */
  async probe(
    protocol: Protocol,
    to: string,
    port: number,
    options: ConnectOptions = {},
  ): Promise<Answer> {
    const result = await this.#connect(protocol, to, port, { limitMs: SILENCE, ...options })
    if (typeof result === 'string') return result
    await this.#agent.call('end', result)
    return 'open'
  }

  /** Opens a connection to an echo service, or for UDP a flow; rejects if nobody answers. */
  async connect(
    protocol: Protocol,
    to: string,
    port: number,
    options: ConnectOptions = {},
  ): Promise<Session> {
    const result = await this.#connect(protocol, to, port, { limitMs: PATIENCE, ...options })
    if (typeof result !== 'string') return new Session(this.#agent, result)
    throw new Error(`${protocol} ${to} port ${port} is ${result}`)
  }

  /** Sends datagrams of these sizes and counts what is answered while it waits. */
  spray(to: string, port: number, sizes: readonly number[], limitMs = SILENCE): Promise<number> {
    return this.#agent.call('spray', { address: to, port, sizes, limitMs })
  }

  #connect(protocol: Protocol, address: string, port: number, options: ConnectOptions) {
    return this.#agent.call<number | Exclude<Answer, 'open'>>('connect', {
      protocol,
      address,
      port,
      ...options,
    })
  }
}

/** A connection that is up. */
export class Session {
  readonly #agent: Remote
  readonly #id: number

  constructor(agent: Remote, id: number) {
    this.#agent = agent
    this.#id = id
  }

  /** Whether what is said comes back: patiently, for sessions that should live. */
  speaks(text = 'still there?'): Promise<boolean> {
    return this.#agent.call('echo', this.#id, text, PATIENCE)
  }

  /** Whether what is said gets no answer. */
  async isSilent(text = 'gone?'): Promise<boolean> {
    return !(await this.#agent.call<boolean>('echo', this.#id, text, SILENCE))
  }

  /** Whether this comes from the other side by itself. */
  hears(text: string, limitMs = PATIENCE): Promise<boolean> {
    return this.#agent.call('hears', this.#id, text, limitMs)
  }

  /** How many characters have come. */
  heard(): Promise<number> {
    return this.#agent.call('heard', this.#id)
  }

  state(): Promise<'open' | 'reset' | 'ended'> {
    return this.#agent.call('state', this.#id)
  }

  end(): Promise<void> {
    return this.#agent.call('end', this.#id)
  }
}
