import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import type { Endpoint } from '../../server/src/core/directory.ts'

/** What a service opens, looked at from outside of the daemon. */
export interface Door {
  readonly service: string
  /** Commands take their time. */
  readonly runsCommands?: boolean
  /** Takes a look at all of it, if that is how it can be looked at. */
  look?(): Promise<void>
  isOpen(address: string): boolean | Promise<boolean>
}

const GREETING = 'come in'

/** What stands behind the gates. */
export async function greeter(host: string, port: number): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.end(GREETING)
  })
  await new Promise<void>(resolve => server.listen(port, host, resolve))
  return server
}

/** Whether a connection from there gets through to the greeter. */
export const gateDoor = (service: string, { host, port }: Endpoint): Door => ({
  service,
  isOpen: address =>
    new Promise(resolve => {
      let heard = ''
      const socket = connect({ host, port, localAddress: address })
      socket.on('error', () => {})
      socket.on('data', chunk => {
        heard += chunk
      })
      socket.on('close', () => resolve(heard === GREETING))
    }),
})

/** The commands that open and close append to a file: the last word of an address is its state. */
export function commandDoor(service: string, file: string): Door {
  let state = new Map<string, string>()
  return {
    service,
    runsCommands: true,
    async look() {
      const lines = read(file)
        .split('\n')
        .filter(line => line.startsWith(`${service} `))
      state = new Map(lines.map(line => line.split(' ').slice(1) as [string, string]))
    },
    isOpen: address => state.get(address) === 'open',
  }
}

/** The command of that door, for both events. */
export const commandOf = (file: string): string =>
  JSON.stringify([
    ...['/bin/sh', '-c'],
    `echo "$ONEKNOCK_SERVICE $ONEKNOCK_ADDRESS $ONEKNOCK_EVENT" >> ${file}`,
  ])

/** The element of the kernel's set. */
export function kernelDoor(service: string, port: number): Door {
  let table = ''
  return {
    service,
    async look() {
      table = await listTable()
    },
    isOpen: address => table.includes(`${address} . tcp . ${port} timeout`),
  }
}

const listTable = (): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile('nft', ['list', 'table', 'inet', 'oneknock'], (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
  })

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
