import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../../server/src/core/clock.ts'
import {
  type RouterAnswer,
  RouterError,
  type RouterRequest,
  type Transport,
} from '../../../server/src/hooks/routeros/transport.ts'
import { makeCertificate } from '../../certificate.ts'

type Item = Record<string, string>

/** What may go wrong with one request. */
export type Fault =
  /** Not heard. */
  | 'down'
  /** Done, but the answer is lost. */
  | 'lost'
  /** Neither done nor answered. */
  | 'hang'
  /** Not answered, and done when nobody expects it any more. */
  | 'late'
  /** Said to be done, and not done. */
  | 'lie'
  /** Refused, with a status that says otherwise. */
  | 'error in 200'
  | 'no permission'
  /** What a proxy in between says. */
  | 'nonsense'
  /** The router starts anew instead. */
  | 'reboot'

const LISTS = ['/ip/firewall/address-list', '/ipv6/firewall/address-list']
const REQUIRED: Record<string, readonly string[]> = {
  '/user': ['name', 'group'],
  ...Object.fromEntries(LISTS.map(menu => [menu, ['list', 'address']])),
}

/**
 * A fake of RouterOS: none is to be had for tests. It is written from the vendor's pages on the REST
 * API, address lists, users and their groups: PUT adds and answers 201 with the record, PATCH sets,
 * DELETE removes and answers 204, every value is a text, errors are { error, message, detail }.
 * Timed entries are kept in memory, so they are gone when it starts anew; users are not.
 */
export class FakeRouterOs {
  /** Taken by the next requests, one each. */
  faults: (Fault | undefined)[] = []
  readonly requests: RouterRequest[] = []
  readonly authorizations: (string | undefined)[] = []
  readonly #clock: Clock
  readonly #tables = new Map<string, Map<string, Item>>()
  readonly #ends = new WeakMap<Item, number>()
  readonly #ids = new Map<string, number>()
  #late: RouterRequest[] = []
  #server: Server | undefined
  #certificate = { cert: '', key: '' }

  constructor(clock: Clock) {
    this.#clock = clock
    this.add('/user', { name: 'admin', group: 'full' })
  }

  /** By hand, as an administrator would. */
  add(menu: string, values: Item): void {
    this.#answer({ method: 'PUT', path: menu, body: values })
  }

  items(menu: string): Item[] {
    const now = this.#clock.now()
    const table = this.#table(menu)
    for (const [id, item] of table) {
      const end = this.#ends.get(item)
      if (end === undefined) continue
      if (end <= now) table.delete(id)
      else item.timeout = remaining(end - now)
    }
    return [...table.values()].map(item => ({ ...item }))
  }

  /** Names of all but the administrator. */
  logins(): string[] {
    return this.items('/user').flatMap(({ name }) => (name === 'admin' ? [] : name!))
  }

  remove(menu: string, id: string): void {
    this.#table(menu).delete(id)
  }

  reboot(): void {
    for (const menu of [...LISTS, '/user/active']) {
      for (const [id, item] of this.#table(menu)) {
        if (item.dynamic === 'true') this.#table(menu).delete(id)
      }
      if (this.#table(menu).size === 0) this.#ids.delete(menu)
    }
    this.#late = []
  }

  /** Does what was given up long ago. */
  comeThrough(): void {
    for (const request of this.#late.splice(0)) this.#answer(request)
  }

  /** Without a network: what a fault makes of a request is the same. */
  transport(): Transport {
    return async request => {
      const answer = this.#hear(request)
      if (answer === 'hang') throw new RouterError('timeout', 'the fake did not answer')
      if (answer === 'down') throw new RouterError('unreachable', 'the fake is down')
      return answer
    }
  }

  /** Over TLS on loopback, with a certificate that it signs itself; its files are made in the folder. */
  async listen(folder: string): Promise<{ url: string; sha256: string; ca: string }> {
    const [cert, key] = [join(folder, 'router.pem'), join(folder, 'router.key')]
    makeCertificate({ cert, key }, { name: 'router', altName: 'IP:127.0.0.1' })
    this.#certificate = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
    const port = await this.#start(0)
    const { raw } = new X509Certificate(this.#certificate.cert)
    const sha256 = createHash('sha256').update(raw).digest('hex')
    return { url: `https://127.0.0.1:${port}`, sha256, ca: cert }
  }

  async close(): Promise<void> {
    const server = this.#server
    if (!server) return
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }

  async #start(port: number): Promise<number> {
    this.#server = createServer(this.#certificate, async (request, response) => {
      let text = ''
      for await (const chunk of request) text += chunk
      this.authorizations.push(request.headers.authorization)
      const { pathname, search } = new URL(request.url!, 'https://router')
      const method = request.method as RouterRequest['method']
      const path = `${pathname.replace(/^\/rest/, '')}${search}`
      const answer = this.#hear({ method, path, ...(text && { body: JSON.parse(text) }) })
      if (answer === 'hang') return
      if (answer === 'down') return void request.socket.destroy()
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.text)
    })
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  #hear(request: RouterRequest): RouterAnswer | 'hang' | 'down' {
    this.requests.push(request)
    const fault = this.faults.shift()
    const change = request.method !== 'GET'
    switch (fault) {
      case undefined:
        return this.#answer(request)
      case 'down':
        return 'down'
      case 'lost':
        this.#answer(request)
        return 'down'
      case 'hang':
        return 'hang'
      case 'late':
        this.#late.push(request)
        return 'hang'
      case 'lie':
        return change ? { status: 200, text: '{}' } : this.#answer(request)
      case 'error in 200':
        return { status: 200, text: error(400, 'failure: something odd').text }
      case 'no permission':
        return error(500, 'not enough permissions (9)')
      case 'nonsense':
        return { status: 200, text: '<html>Bad gateway</html>' }
      case 'reboot':
        this.reboot()
        return 'down'
    }
  }

  #answer({ method, path, body = {} }: RouterRequest): RouterAnswer {
    const [location = '', query] = path.split('?')
    const [, menu = '', id] = /^(.*?)(?:\/(\*[0-9A-F]+))?$/.exec(location) ?? []
    if (method === 'POST') return this.#run(location, body)
    if (![...Object.keys(REQUIRED), '/user/active'].includes(menu))
      return error(404, 'no such command')
    switch (method) {
      case 'GET':
        return good(this.#print(menu, new URLSearchParams(query)))
      case 'PUT':
        return this.#add(menu, body)
      case 'PATCH':
        return this.#set(menu, id, body)
      case 'DELETE':
        return this.#table(menu).delete(id ?? '') ? { status: 204, text: '' } : noItem()
    }
  }

  #print(menu: string, where: URLSearchParams): Item[] {
    return (
      this.items(menu)
        .filter(item => [...where].every(([key, value]) => item[key] === value))
        // A password is never printed.
        .map(({ password: _, ...item }) => item)
    )
  }

  #add(menu: string, values: Item): RouterAnswer {
    const missing = (REQUIRED[menu] ?? []).find(key => values[key] === undefined)
    if (missing) return error(400, `missing value for argument ${missing}`)
    const item: Item = { disabled: 'false', ...values }
    if (menu === '/ipv6/firewall/address-list' && !item.address!.includes('/'))
      item.address += '/128'
    const keys = { '/user': ['name'], '/user/active': [] }[menu] ?? ['list', 'address']
    const isSame = (other: Item) => keys.length > 0 && keys.every(key => other[key] === item[key])
    if (this.items(menu).some(isSame)) {
      const what =
        menu === '/user' ? 'user with the same name already exists' : 'already have such entry'
      return error(400, `failure: ${what}`)
    }
    const number = (this.#ids.get(menu) ?? 0) + 1
    this.#ids.set(menu, number)
    item['.id'] = `*${number.toString(16).toUpperCase()}`
    if (LISTS.includes(menu)) item.dynamic = `${item.timeout !== undefined}`
    this.#time(item)
    this.#table(menu).set(item['.id'], item)
    const { password: _, ...shown } = item
    return { status: 201, text: JSON.stringify(shown) }
  }

  #set(menu: string, id: string | undefined, values: Item): RouterAnswer {
    this.items(menu)
    const item = this.#table(menu).get(id ?? '')
    if (!item) return noItem()
    Object.assign(item, values)
    if (values.timeout !== undefined) this.#time(item)
    return good(item)
  }

  #run(command: string, { '.id': id = '' }: Item): RouterAnswer {
    if (command !== '/user/active/request-logout') return error(404, 'no such command')
    return this.#table('/user/active').delete(id) ? good([]) : noItem()
  }

  #time(item: Item): void {
    if (item.timeout === undefined) return
    const seconds = Number(/^(\d+)s$/.exec(item.timeout)?.[1])
    if (Number.isNaN(seconds)) throw new Error(`the fake does not know the time ${item.timeout}`)
    this.#ends.set(item, this.#clock.now() + seconds * 1000)
  }

  #table(menu: string): Map<string, Item> {
    const table = this.#tables.get(menu) ?? new Map<string, Item>()
    this.#tables.set(menu, table)
    return table
  }
}

const good = (answer: unknown): RouterAnswer => ({ status: 200, text: JSON.stringify(answer) })

const error = (status: number, detail: string): RouterAnswer => {
  const message = { 400: 'Bad Request', 404: 'Not Found' }[status] ?? 'Internal Server Error'
  return { status, text: JSON.stringify({ error: status, message, detail }) }
}

const noItem = (): RouterAnswer => error(404, 'no such item')

/** `1d2h3m4s`, as it prints what is left. */
function remaining(ms: number): string {
  let seconds = Math.ceil(ms / 1000)
  let text = ''
  for (const [unit, size] of Object.entries({ w: 604_800, d: 86_400, h: 3_600, m: 60, s: 1 })) {
    if (seconds >= size) text += `${Math.floor(seconds / size)}${unit}`
    seconds %= size
  }
  return text || '0s'
}
