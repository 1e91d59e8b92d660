import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Asker,
  askDaemon,
  type Control,
  controlPath,
  followDaemon,
  type Handle,
  openControl,
} from '../../../server/src/control.ts'
import { findGroup } from '../../../server/src/groups.ts'
import { isRoot, lacking, oneknockd, run } from '../commands/cli.ts'
import { write } from '../config/scratch.ts'
import { barrier, until } from '../kit.ts'

let folder: string
let control: Control

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ok-asking-'))
})
afterEach(async () => {
  await control.close()
  rmSync(folder, { recursive: true })
})

async function serving(handle: Handle, group?: number): Promise<void> {
  const opened = await openControl(folder, handle, group)
  if (!opened.ok) throw new Error(opened.error.message)
  control = opened.value
}

it('a daemon that hangs is not waited for', async () => {
  await serving(() => new Promise(() => {}))
  await expect(askDaemon(folder, { command: 'status' }, 50)).rejects.toThrow(
    /did not answer within 0.05 s: see its log$/,
  )
})

it('what is no answer is said to be none', async () => {
  const other = createServer(socket => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>(listening => other.listen(controlPath(folder), listening))
  control = { close: () => new Promise(closed => other.close(() => closed())) }
  await expect(askDaemon(folder, { command: 'status' })).rejects.toThrow(
    `${controlPath(folder)} does not answer as oneknockd does`,
  )
})

describe('following', () => {
  it('hears piece after piece, until the daemon ends', async () => {
    let asker: Asker | undefined
    await serving(async (_, other) => {
      asker = other
      other.tell('first')
      await other.gone
    })
    const heard: unknown[] = []
    const following = followDaemon(folder, { command: 'follow' }, piece => void heard.push(piece))
    await until(
      () => heard.length,
      length => length === 1,
    )
    // A character of several bytes may arrive in pieces, and a line in many.
    const long = 'ü'.repeat(100_000)
    asker!.tell(long)
    await until(
      () => heard.length,
      length => length === 2,
    )
    expect(heard).toEqual(['first', long])
    await control.close()
    expect(await following).toBeNull()
  })

  it('ends, here and there, when a piece cannot be taken', async () => {
    const gone = barrier()
    await serving(async (_, asker) => {
      asker.tell(1)
      await asker.gone
      gone.open()
    })
    const full = async () => {
      throw new Error('no room')
    }
    await expect(followDaemon(folder, { command: 'follow' }, full)).rejects.toThrow('no room')
    await gone.wait
  })

  it('is no stack trace when what the daemon tells makes no sense, but a line', async () => {
    await serving(async (_, asker) => {
      asker.tell({ head: { seq: 0, hash: '' } })
      asker.tell({ entry: { at: Number.MAX_VALUE, event: { event: 'unlocked', user: 'alice' } } })
      await asker.gone
    })
    const config = write(join(folder, 'oneknockd.toml'), `state = "${folder}"`)
    const tail = await oneknockd(['audit', 'tail', '--follow', '--config', config])
    expect(tail).toEqual({
      status: 1,
      stdout: '',
      stderr: 'oneknockd: unexpected: Invalid time value; please report it\n',
    })
  })

  it('is heard of by the daemon when it stops', async () => {
    const told = barrier()
    const gone = barrier()
    await serving(async (_, asker) => {
      asker.tell(1)
      told.open()
      await asker.gone
      gone.open()
    })
    const child = run([
      process.execPath,
      '-e',
      `const s = require('net').connect(process.argv[1]); s.write('{"command":"follow"}\\n'); s.once('data', () => process.exit())`,
      controlPath(folder),
    ])
    await told.wait
    await child
    await gone.wait
  })

  it('hangs up on whoever does not read', async () => {
    const gone = barrier()
    const piece = 'x'.repeat(1024 * 1024)
    await serving(async (_, asker) => {
      const timer = setInterval(() => asker.tell(piece), 1)
      await asker.gone
      clearInterval(timer)
      gone.open()
    })
    const deaf = connect(controlPath(folder)).pause()
    deaf.on('error', () => {})
    deaf.write('{"command":"follow"}\n')
    await gone.wait
    deaf.destroy()
  })
})

describe.skipIf(lacking(isRoot))('the socket of a group', () => {
  const MEMBER = 'setpriv --reuid=12345 --regid=12345 --groups=23456'.split(' ')
  const STRANGER = 'setpriv --reuid=12345 --regid=12345 --clear-groups'.split(' ')
  const ask = (as: readonly string[]) =>
    run([
      ...as,
      process.execPath,
      '-e',
      `const s = require('net').connect(process.argv[1]); s.on('error', e => console.log(e.code)); s.write('{"command":"status"}\\n'); s.on('data', d => process.stdout.write(d))`,
      controlPath(folder),
    ])

  it('answers its members, who see nothing else there, and nobody else', async () => {
    await serving(async () => 'fine', 23_456)
    expect(statSync(controlPath(folder)).mode & 0o777).toBe(0o660)
    expect((await ask(MEMBER)).stdout).toBe('{"result":"fine"}\n')
    expect((await ask(STRANGER)).stdout).toBe('EACCES\n')
    expect((await run([...MEMBER, 'ls', folder])).status).not.toBe(0)
  })
})

it('groups are found by name and number', async () => {
  await serving(async () => 1)
  expect(findGroup('root')).toBe(0)
  expect(findGroup('4242')).toBe(4242)
  expect(findGroup('no-such-group')).toBeUndefined()
})
