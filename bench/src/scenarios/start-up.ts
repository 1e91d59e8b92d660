import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { totpCode, totpStep } from '@oneknock/shared'
import { knock } from '../../../client/src/index.ts'
import { formatProfile } from '../../../client/src/profile.ts'
import type { User } from '../../../server/src/core/directory.ts'
import { childrenTime } from '../harness/children-time.ts'
import { keepOn } from '../harness/cores.ts'
import { startDaemon } from '../harness/daemons.ts'
import { atMost, type Figure, formatNumber } from '../harness/figures.ts'
import { hasProgram } from '../harness/machine.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld, type World } from '../harness/world.ts'
import type { Scenario } from './scenario.ts'

/** Rows 12 and 13: how long a person, or a script, waits for the client itself. */
export const startUp: Scenario = {
  rows: [12, 13],
  title: "the client's start: a knock, and the screen's first frame",
  lacks: () => (existsSync(CLIENT) ? undefined : 'the client is not built: npm run build'),
  async run({ folder, full, skip }) {
    const rounds = full ? 40 : 11
    const [port, gate] = (await freePorts(2)) as [number, number]
    const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
    const world = makeWorld({
      folder,
      users: USERS * (rounds + WARM_UP),
      door,
      backend: 'gate',
      port,
    })
    const home = settle(world, world.users, join(folder, 'many'))
    const other = settle(world, world.users.slice(0, TARGETS), join(folder, 'few'))
    const daemon = await startDaemon(world)
    // Who waits for it does nothing else meanwhile, and what it starts runs beside it.
    keepOn('alone')
    try {
      const figures = [await knocks(world, home, rounds)]
      if (hasProgram('script')) figures.push(await frames(other, rounds))
      else skip("the screen's first frame", 'no script (util-linux) to give it a terminal')
      return figures
    } finally {
      keepOn('sender')
      await daemon.stop()
    }
  },
}

/** The command as it is shipped, seen from `bench/dist/`. */
const CLIENT = fileURLToPath(new URL('../../client/dist/bin/oneknock.js', import.meta.url))
/** What is read from the disk for the first time takes as long as the disk. */
const WARM_UP = 2
/** As many as people have. */
const TARGETS = 3
/** For a knock of each kind: a code works once. */
const USERS = 3
/** Nothing can be kept there. */
const NO_FOLDER = '/dev/null'
/** `node -e 0` and as much again. */
const KNOCK_MAX = 2
/** 300 ms where `node -e 0` takes 80. */
const FRAME_MAX = 300 / 80

interface Home {
  readonly env: NodeJS.ProcessEnv
  readonly codes: string
}

/** A person's home with a target for each user: a code works once, so every knock is another's. */
function settle({ host, port }: World, users: readonly User[], folder: string): Home {
  const config = join(folder, 'oneknock')
  const codes = join(folder, 'code')
  mkdirSync(config, { recursive: true, mode: 0o700 })
  for (const { name, devices, services } of users) {
    const [{ key, label }] = devices as [User['devices'][number]]
    const profile = formatProfile({
      ...{ host, port, user: name, device: label, services },
      key: { kind: 'plain', bytes: key },
      otpCommand: `cat '${codes}'`,
    })
    writeFileSync(join(config, `${name}.json`), profile, { mode: 0o600 })
  }
  const { PATH } = process.env
  const [state, cache] = [join(folder, 'state'), join(folder, 'cache')]
  const env = { PATH, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: state, XDG_CACHE_HOME: cache }
  return { env, codes }
}

interface Series {
  readonly times: number[]
  /** Processor time that it took in all. */
  worked: number
  /** Runs it, and keeps the time that it says it took. */
  add(run: () => number | Promise<number>): Promise<void>
  clear(): void
}

function series(): Series {
  return {
    times: [],
    worked: 0,
    async add(run) {
      const before = childrenTime() ?? Number.NaN
      this.times.push(await run())
      this.worked += (childrenTime() ?? Number.NaN) - before
    },
    clear() {
      this.times.length = 0
      this.worked = 0
    },
  }
}

/** On a machine that others use: how much work it is, beside the reference. */
const work = (one: Series, other: Series): string =>
  Number.isNaN(one.worked) ? '' : `; in processor time ${formatNumber(one.worked / other.worked)}×`

/** From the start of the process to its end, beside a process that does nothing. */
async function knocks(world: World, home: Home, rounds: number): Promise<Figure> {
  const nothing = series()
  const whole = series()
  const trips: number[] = []
  const cold: number[] = []
  for (let round = -WARM_UP; round < rounds; round++) {
    const [mine, theirs, coldly] = world.users.slice(USERS * (round + WARM_UP)) as User[]
    if (round === 0) for (const one of [nothing, whole]) one.clear()
    await nothing.add(() => timeOf(home, '-e', '0'))
    await whole.add(() => knockTime(mine!, home))
    const trip = await roundTrip(theirs!, world)
    if (round >= 0) trips.push(trip)
    const without = knockTime(coldly!, { ...home, env: { ...home.env, XDG_CACHE_HOME: NO_FOLDER } })
    if (round >= 0) cold.push(without)
  }
  const ratio = ratios(
    whole.times.map((ms, i) => ms - trips[i]!),
    nothing.times,
  )
  return {
    row: 12,
    id: 'knock-start-up',
    what: "oneknock knock with the profile's code command, start to exit",
    value: sampleOf(whole.times),
    unit: 'ms',
    reference: { what: 'node -e 0', value: sampleOf(nothing.times) },
    ratio,
    target: atMost(ratio, KNOCK_MAX, '×'),
    note: `the ratio leaves out the reply's round trip, ${formatNumber(sampleOf(trips).median)} ms; ${formatNumber(sampleOf(cold).median)} ms without the code kept of earlier runs${work(whole, nothing)}`,
  }
}

function knockTime(user: User, home: Home): number {
  writeFileSync(home.codes, codeOf(user))
  return timeOf(home, CLIENT, 'knock', user.name)
}

const codeOf = ({ totp }: User): string => totpCode(totp!.secret, totpStep(Date.now()))

function timeOf({ env }: Home, ...args: readonly string[]): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with status ${status}: ${stderr}`)
  return performance.now() - start
}

/** What any client would wait for: the same knock, from a process that has long been running. */
async function roundTrip({ devices, totp }: User, { host, port }: World): Promise<number> {
  const factor = { kind: 'totp', code: totpCode(totp!.secret, totpStep(Date.now())) } as const
  let [sent, heard] = [0, 0]
  const result = await knock(
    { host, port, key: devices[0]!.key },
    {
      factor,
      on({ type }) {
        if (type === 'sent') sent = performance.now()
        if (type === 'reply') heard = performance.now()
      },
    },
  )
  if (result.status !== 'opened') throw new Error(`a knock was ${result.status}`)
  return heard - sent
}

/** From the start of the process to the list of targets on a real terminal. */
async function frames(home: Home, rounds: number): Promise<Figure> {
  const nothing = series()
  const first = series()
  for (let round = -WARM_UP; round < rounds; round++) {
    if (round === 0) for (const one of [nothing, first]) one.clear()
    await nothing.add(() => timeOf(home, '-e', '0'))
    await first.add(() => firstFrame(home))
  }
  const ratio = ratios(first.times, nothing.times)
  return {
    row: 13,
    id: 'first-frame',
    what: 'oneknock on a terminal, start to the first frame',
    value: sampleOf(first.times),
    unit: 'ms',
    reference: { what: 'node -e 0', value: sampleOf(nothing.times) },
    ratio,
    target: atMost(ratio, FRAME_MAX, '×'),
    note: `the terminal is made within that time${work(first, nothing)}`,
  }
}

/** What stands above the list. */
const FRAME = 'type to filter'
/** Ends the session from there. */
const ESCAPE = '\x1b'

async function firstFrame({ env }: Home): Promise<number> {
  const start = performance.now()
  const script = spawn('script', ['-qec', `exec '${process.execPath}' '${CLIENT}'`, '/dev/null'], {
    env: { ...env, TERM: 'xterm', LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let shown = ''
  const ms = await new Promise<number>((resolve, reject) => {
    script.stdout.setEncoding('utf8').on('data', text => {
      shown += text
      if (shown.includes(FRAME)) resolve(performance.now() - start)
    })
    script.once('close', () => reject(new Error(`no frame: ${shown}`)))
  })
  script.stdin.write(ESCAPE)
  await once(script, 'close')
  return ms
}
