import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  askDaemon,
  type Control,
  controlPath,
  type Handle,
  openControl,
} from '../../server/src/control.ts'
import { barrier } from './kit.ts'

let folder: string
const open: Control[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ok-control-'))
})
afterEach(async () => {
  for (const control of open.splice(0)) await control.close()
  rmSync(folder, { recursive: true })
})

async function serving(handle: Handle): Promise<Control> {
  const control = await openControl(folder, handle)
  if (!control.ok) throw new Error(control.error.message)
  open.push(control.value)
  return control.value
}

describe('the control socket', () => {
  it('answers requests, and is for its owner alone', async () => {
    await serving(async ({ command }) => ({ heard: command }))
    expect(await askDaemon(folder, { command: 'status' })).toEqual({ heard: 'status' })
    expect(statSync(controlPath(folder)).mode & 0o777).toBe(0o600)
  })

  it('passes on what goes wrong, and goes on', async () => {
    await serving(async ({ command }) => {
      if (command === 'bad') throw new Error('not today')
      return undefined
    })
    await expect(askDaemon(folder, { command: 'bad' })).rejects.toThrow('not today')
    expect(await askDaemon(folder, { command: 'good' })).toBeNull()
  })

  it.each(['not JSON', 'null', '17', '{}'])('survives %s', async text => {
    await serving(async ({ command }) => `heard ${command}`)
    const socket = connect(controlPath(folder))
    socket.end(`${text}\n`)
    const answer = await new Promise(resolve => socket.once('data', data => resolve(`${data}`)))
    expect(answer).toMatch(/^\{"(error|result)":/)
  })

  it('hangs up on a request without end', async () => {
    await serving(async () => 1)
    const socket = connect(controlPath(folder))
    socket.on('error', () => {})
    const hungUp = new Promise(resolve => socket.once('close', resolve))
    const more = () => socket.write('x'.repeat(16_384), error => !error && more())
    more()
    await hungUp
    expect(await askDaemon(folder, { command: 'status' })).toBe(1)
  })

  it('gives an answer of any length', async () => {
    const long = Array.from({ length: 20_000 }, (_, i) => `grant ${i}`)
    await serving(async () => long)
    expect(await askDaemon(folder, { command: 'grants' })).toEqual(long)
  })

  it('closes although somebody is connected, and takes its file along', async () => {
    const asked = barrier()
    const control = await serving(() => {
      asked.open()
      return new Promise(() => {})
    })
    const asking = askDaemon(folder, { command: 'status' })
    asking.catch(() => {})
    await asked.wait
    await control.close()
    await expect(asking).rejects.toThrow('hung up')
    expect(existsSync(controlPath(folder))).toBe(false)
  })

  it('is not there when no daemon runs', async () => {
    expect(await askDaemon(folder, { command: 'status' })).toBeUndefined()
  })

  it('says so if it may not be asked', async () => {
    rmSync(folder, { recursive: true })
    writeFileSync(folder, '')
    await expect(askDaemon(folder, { command: 'status' })).rejects.toThrow('cannot ask at')
  })
})

describe('a second daemon on a state folder', () => {
  it('is told of the first, which does not notice', async () => {
    await serving(async () => 'first')
    const second = await openControl(folder, async () => 'second')
    expect(second).toMatchObject({ ok: false, error: { code: 'held' } })
    expect(await askDaemon(folder, { command: 'status' })).toBe('first')
  })

  it('is told of a first that hangs, too', async () => {
    const hung = spawn(process.execPath, [
      '-e',
      'require("net").createServer().listen(process.argv[1], () => { console.log("up"); process.kill(process.pid, "SIGSTOP") })',
      controlPath(folder),
    ])
    try {
      await new Promise(resolve => hung.stdout.once('data', resolve))
      const second = await openControl(folder, async () => 'second')
      expect(second).toMatchObject({ ok: false, error: { code: 'held' } })
    } finally {
      hung.kill('SIGKILL')
    }
  })

  it('takes over what a killed one left', async () => {
    const killed = spawn(process.execPath, [
      '-e',
      'require("net").createServer().listen(process.argv[1], () => console.log("up"))',
      controlPath(folder),
    ])
    await new Promise(resolve => killed.stdout.once('data', resolve))
    const gone = new Promise(resolve => killed.once('exit', resolve))
    killed.kill('SIGKILL')
    await gone
    expect(existsSync(controlPath(folder))).toBe(true)
    await serving(async () => 'second')
    expect(await askDaemon(folder, { command: 'status' })).toBe('second')
  })

  it('cannot be, where the path is too long for a socket', async () => {
    const long = join(folder, 'x'.repeat(120))
    expect(await openControl(long, async () => 1)).toMatchObject({
      ok: false,
      error: { code: 'unavailable', message: expect.stringContaining('shorter folder') },
    })
  })

  it('cannot be, where there is no folder', async () => {
    expect(await openControl(join(folder, 'none'), async () => 1)).toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    })
  })
})
