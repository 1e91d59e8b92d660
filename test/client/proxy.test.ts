import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dial } from '../../client/src/dial.ts'
import { parseEndpoint } from '../../client/src/probe.ts'
import { splice } from '../../client/src/splice.ts'
import { barrier, until } from '../server/kit.ts'
import { echo, House, type Shut } from './house.ts'
import { BIN, expectOneLine, Home } from './run.ts'

const OTP = ['--otp-command', 'echo 123456']

let home: Home
let house: House
beforeEach(() => {
  home = new Home()
})
afterEach(async () => {
  await house?.demolish()
  home.remove()
})

async function build(shut: Shut, serve = echo, ...flags: readonly string[]): Promise<House> {
  house = await House.build(shut, serve)
  await house.invite(home, 'home', ...(flags.length > 0 ? flags : OTP))
  return house
}

const args = () => ['proxy', 'home', '127.0.0.1', String(house.port)]
const proxy = (input = '') => home.run(args(), input)

/** A proxy whose input and output stay open, as ssh has it. */
function start(...before: readonly string[]): ChildProcessWithoutNullStreams {
  const [file, ...rest] = [...before, process.execPath, BIN, ...args()]
  return spawn(file!, rest, { env: home.env, detached: true })
}

describe('proxy', () => {
  it('connects without a knock where the door is open', async () => {
    await build('refuses')
    await house.open()
    expect(await proxy('hello')).toEqual({ status: 0, stdout: 'hello', stderr: '' })
    expect(house.knocks).toBe(0)
  })

  it.each<Shut>(['refuses', 'hangs up'])(
    'knocks once where the door %s, and says nothing',
    async shut => {
      await build(shut)
      expect(await proxy('hello')).toEqual({ status: 0, stdout: 'hello', stderr: '' })
      expect(house.knocks).toBe(1)
    },
  )

  it('says nothing to a gate before it is let in, so that nothing is lost or said twice', async () => {
    let heard = ''
    await build('hangs up', visitor => {
      visitor.on('data', chunk => {
        heard += chunk
        visitor.end('welcome')
      })
    })
    const child = start()
    child.stdin.write('who is there?')
    const [said] = await once(child.stdout, 'data')
    expect(String(said)).toBe('welcome')
    child.stdin.end()
    expect(await once(child, 'close')).toEqual([0, null])
    expect(heard).toBe('who is there?')
    expect(house.visits).toBe(1)
  })

  it('takes input that has ended through a gate too', async () => {
    await build('hangs up')
    expect(await proxy('')).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(await proxy('all of it')).toMatchObject({ stdout: 'all of it' })
    expect(house.knocks).toBe(1)
  })

  it('passes on the end of either side alone', async () => {
    await build('hangs up', visitor => {
      let heard = ''
      visitor.write('first')
      visitor.on('data', chunk => {
        heard += chunk
      })
      // Answered only when all has been said.
      visitor.on('end', () => visitor.end(`;${heard.length}`))
    })
    await house.open()
    const text = 'x'.repeat(300_000)
    expect(await proxy(text)).toEqual({ status: 0, stdout: 'first;300000', stderr: '' })
  })

  it('ends its output when the service ends, and goes on taking input', async () => {
    let heard = ''
    const { wait: ended, open: end } = barrier()
    await build('hangs up', visitor => {
      visitor.end('that is all')
      visitor.on('data', chunk => {
        heard += chunk
      })
      visitor.on('end', end)
    })
    await house.open()
    const child = start()
    child.stdout.resume()
    await once(child.stdout, 'end')
    child.stdin.end('but not for me')
    await ended
    expect(heard).toBe('but not for me')
    expect(await once(child, 'close')).toEqual([0, null])
  })

  it('loses no byte of a lot, either way', async () => {
    await build('refuses')
    await house.open()
    const bytes = randomBytes(8_000_000)
    const child = start()
    const hash = createHash('sha256')
    child.stdout.on('data', chunk => hash.update(chunk))
    child.stdin.end(bytes)
    expect(await once(child, 'close')).toEqual([0, null])
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  it('takes no more than its reader does', async () => {
    let sent = 0
    await build('refuses', visitor => {
      const more = () => {
        while (visitor.writable && visitor.write(Buffer.alloc(65_536))) sent += 65_536
      }
      visitor.on('drain', more)
      more()
    })
    await house.open()
    const child = start()
    await until(
      () => sent,
      bytes => bytes > 0,
    )
    // Nobody reads: what the kernel and the streams hold is all that can be taken.
    let before = -1
    await until(
      async () => {
        before = sent
        await new Promise(resolve => setTimeout(resolve, 300))
        return sent - before
      },
      growth => growth === 0,
      10_000,
    )
    expect(sent).toBeLessThan(64 * 1024 * 1024)
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  it('ends when whoever reads its output has gone', async () => {
    await build('refuses', visitor => {
      const more = () => {
        while (visitor.writable && visitor.write(Buffer.alloc(65_536)));
      }
      visitor.on('drain', more)
      more()
    })
    await house.open()
    const child = start()
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('runs at the same time share one knock', async () => {
    await build('refuses')
    const runs = await Promise.all(Array.from({ length: 5 }, (_, i) => proxy(`run ${i}`)))
    expect(runs.map(({ stdout }) => stdout)).toEqual(['run 0', 'run 1', 'run 2', 'run 3', 'run 4'])
    expect(house.knocks).toBe(1)
  })

  it('knocks though an earlier run opened it, if it is shut', async () => {
    await build('refuses')
    await proxy()
    await house.shut()
    expect(await proxy('again')).toMatchObject({ status: 0, stdout: 'again' })
    expect(house.knocks).toBe(2)
  })
})

describe('what a proxy asks', () => {
  it('is asked by SSH_ASKPASS, which reads nothing of what ssh says', async () => {
    house = await House.build('hangs up', echo)
    await house.invite(home)
    const program = `${home.path}/askpass`
    writeFileSync(program, '#!/bin/sh\ntest "$1" = "Code for home: " && cat && echo 654321\n', {
      mode: 0o755,
    })
    home.env.SSH_ASKPASS = program
    expect(await proxy('SSH-2.0-x\r\n')).toEqual({ status: 0, stdout: 'SSH-2.0-x\r\n', stderr: '' })
    expect(house.server.received[0]!.knock.factor.code).toBe('654321')
  })

  it('is asked by a code command, which reads nothing of what ssh says either', async () => {
    await build('hangs up', echo, '--otp-command', 'cat; echo 123456')
    expect(await proxy('SSH-2.0-x\r\n')).toMatchObject({ status: 0, stdout: 'SSH-2.0-x\r\n' })
  })
})

describe('proxy fails', () => {
  it('with the reason on stderr and nothing on stdout: refused', async () => {
    await build('refuses')
    house.says = () => ({ status: 'refused', reason: 'schedule', detail: 'mon-fri' })
    expectOneLine(await proxy(), 4, 'refused', 'mon-fri')
  })

  it('because nobody can be asked', async () => {
    house = await House.build('refuses', echo)
    await house.invite(home)
    expectOneLine(await proxy(), 1, 'SSH_ASKPASS')
  })

  it('because the door opened, and nobody is behind it', async () => {
    await build('hangs up')
    await house.invite(home, 'elsewhere', ...OTP)
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as { port: number }
    gone.close()
    const run = await home.run(['proxy', 'elsewhere', '127.0.0.1', String(port)])
    expectOneLine(run, 3, 'the door is open', 'ECONNREFUSED')
  })

  it.each([
    [['proxy', 'home', 'no-such-host.invalid', '22'], 3, 'cannot find'],
    [['proxy', 'home', '127.0.0.1', 'ssh'], 1, 'no port'],
    [['proxy', 'home', '127.0.0.1'], 1, 'port'],
    [['proxy', 'nowhere', '127.0.0.1', '22'], 2, 'no target'],
  ] as const)('without a knock: %j', async (given, status, word) => {
    await build('refuses')
    expectOneLine(await home.run(given), status, word)
    expect(house.knocks).toBe(0)
  })
})

describe('splice', () => {
  it('tells a connection that broke from one that ended', async () => {
    house = await House.build('hangs up', visitor => {
      visitor.write('hello')
      visitor.once('data', () => visitor.resetAndDestroy())
    })
    await house.open()
    const ends = { input: new PassThrough(), output: new PassThrough() }
    const dialled = await dial(['127.0.0.1'], house.port, 1000)
    if (!dialled.ok) throw new Error(dialled.error)
    ends.output.once('data', () => ends.input.write('bye'))
    expect(await splice(dialled.value, ends)).toBe('ECONNRESET')
  })
})

describe('dial', () => {
  it('takes the first address that answers', async () => {
    house = await House.build('hangs up', echo)
    await house.open()
    // The first is refused, the second is nobody's on this link, or silent.
    const dialled = await dial(['::1', '127.255.255.254', '127.0.0.1'], house.port, 2000)
    expect(dialled.ok && dialled.value.remoteAddress).toBe('127.0.0.1')
    if (dialled.ok) dialled.value.destroy()
  })

  it('says why none did', async () => {
    expect(await dial(['127.0.0.1', '::1'], 1, 2000)).toEqual({ ok: false, error: 'ECONNREFUSED' })
  })
})

describe('HOST:PORT', () => {
  it.each([
    ['home.example.com:22', { host: 'home.example.com', port: 22 }],
    ['10.0.0.1:65535', { host: '10.0.0.1', port: 65535 }],
    ['[2001:db8::1]:22', { host: '2001:db8::1', port: 22 }],
    ['2001:db8::1:22', { host: '2001:db8::1', port: 22 }],
    ['home', undefined],
    ['home:', undefined],
    [':22', undefined],
    ['home:022', undefined],
    ['home:65536', undefined],
  ])('%s', (text, endpoint) => {
    expect(parseEndpoint(text)).toEqual(endpoint)
  })
})
