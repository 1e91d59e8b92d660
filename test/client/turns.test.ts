import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Turned, takeTurn } from '../../client/src/turns.ts'
import { FakeClock } from './fake-world.ts'

let folder: string
let clock: FakeClock
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oneknock-turns-'))
  clock = new FakeClock()
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Takes a turn; `turned` is there once it has it, or was told. */
function take(ask = 'ssh', name = 'home') {
  const taking: { turned?: Turned } = {}
  takeTurn({ folder, name }, ask, clock).then(turned => {
    taking.turned = turned
  })
  return taking
}

const mine = ({ turned }: { turned?: Turned }) => {
  if (turned?.kind !== 'mine') throw new Error(`not its turn: ${JSON.stringify(turned)}`)
  return turned.turn
}
const SOON_MS = 100

describe('a turn', () => {
  it('is the first one’s, and those who wait are told what came of it', async () => {
    const takers = [take(), take(), take()]
    await clock.advance(SOON_MS)
    const [first, ...others] = takers
    expect(others.map(({ turned }) => turned)).toEqual([undefined, undefined])
    mine(first!).end({ status: 'opened' })
    await clock.advance(SOON_MS)
    for (const { turned } of others) {
      expect(turned).toEqual({ kind: 'told', outcome: { status: 'opened' } })
    }
  })

  it('passes to one of those who wait if nothing came of it', async () => {
    const takers = [take(), take(), take()]
    await clock.advance(SOON_MS)
    mine(takers[0]!).end()
    await clock.advance(SOON_MS)
    expect(takers.slice(1).filter(({ turned }) => turned?.kind === 'mine')).toHaveLength(1)
    expect(takers.slice(1).filter(({ turned }) => turned === undefined)).toHaveLength(1)
  })

  it('tells nothing to who comes after, or asks for something else', async () => {
    const first = take()
    const other = take('wiki')
    await clock.advance(SOON_MS)
    mine(first).end('opened')
    const late = take()
    await clock.advance(SOON_MS)
    expect([other, late].map(({ turned }) => turned?.kind).sort()).toEqual(['mine', undefined])
  })

  it('is each target’s own', async () => {
    const takers = [take('ssh', 'home'), take('ssh', 'home-turn-1'), take('ssh', 'work')]
    await clock.advance(0)
    expect(takers.map(({ turned }) => turned?.kind)).toEqual(['mine', 'mine', 'mine'])
  })

  it('leaves one file, for its owner alone, and without what ended long ago', async () => {
    for (let i = 0; i < 3; i++) {
      const taking = take()
      await clock.advance(0)
      mine(taking).end('opened')
    }
    expect(readdirSync(folder)).toEqual(['home.turn-3'])
  })

  it('is given back by who was so slow to take it that others are past it', async () => {
    const slow: { turned?: Turned } = {}
    let passed = false
    const now = () => {
      if (!passed) {
        passed = true
        // Another has had this number and is gone, and a third has the next.
        take()
        writeFileSync(join(folder, 'home.turn-2'), readFileSync(join(folder, 'home.turn-1')))
        rmSync(join(folder, 'home.turn-1'))
      }
      return clock.now()
    }
    takeTurn({ folder, name: 'home' }, 'ssh', {
      now,
      monotonic: clock.monotonic,
      after: (ms, run) => clock.after(ms, run),
    }).then(turned => {
      slow.turned = turned
    })
    await clock.advance(SOON_MS)
    expect(slow.turned).toBeUndefined()
    expect(readdirSync(folder)).toEqual(['home.turn-2'])
  })

  it('is not waited for when it lasts longer than any turn', async () => {
    take()
    const other = take()
    await clock.advance(9 * 60_000)
    expect(other.turned).toBeUndefined()
    await clock.advance(2 * 60_000)
    expect(other.turned?.kind).toBe('mine')
  })

  it('is not waited for when another process has its owner’s number', async () => {
    take()
    await clock.advance(0)
    const path = join(folder, 'home.turn-1')
    const entry = JSON.parse(readFileSync(path, 'utf8'))
    expect(entry).toMatchObject({ pid: process.pid, began: expect.stringMatching(/^\d+$/) })
    writeFileSync(path, JSON.stringify({ ...entry, began: '1' }))
    const other = take()
    await clock.advance(0)
    expect(other.turned?.kind).toBe('mine')
  })

  it.each(['', '{', 'null', '[]', '{"pid":"1"}', '{"pid":1,"began":"1","at":1}'])(
    'is nobody’s if its file holds %j',
    async text => {
      writeFileSync(join(folder, 'home.turn-7'), text)
      const taking = take()
      await clock.advance(0)
      expect(taking.turned?.kind).toBe('mine')
      expect(readdirSync(folder)).toEqual(['home.turn-8'])
    },
  )
})

describe('processes that take turns', () => {
  let program: string
  beforeAll(async () => {
    program = join(mkdtempSync(join(tmpdir(), 'oneknock-turns-')), 'turn-taker.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('turn-taker.ts', import.meta.url))],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
    })
  })
  afterAll(() => rmSync(join(program, '..'), { recursive: true }))

  const run = (rounds: number, death = 0) => {
    const child = spawn(process.execPath, [program, folder, `${rounds}`, `${death}`])
    let said = ''
    child.stdout.on('data', chunk => {
      said += chunk
    })
    child.stderr.on('data', chunk => {
      said += chunk
    })
    return new Promise<{ said: string; status: number | null; signal: string | null }>(resolve =>
      child.on('close', (status, signal) => resolve({ said, status, signal })),
    )
  }

  it('never have one at the same time, also when some are killed in the middle of theirs', async () => {
    const rounds = 150
    const runs = await Promise.all([1, 2, 3, 4].map(n => run(rounds, n % 2 === 0 ? n * 10 : 0)))
    const whole = { said: 'had it\n'.repeat(rounds), status: 0, signal: null }
    expect(runs).toEqual([
      whole,
      { said: 'had it\n'.repeat(19), status: null, signal: 'SIGKILL' },
      whole,
      { said: 'had it\n'.repeat(39), status: null, signal: 'SIGKILL' },
    ])
  })
})
