import { beforeEach, expect, it } from 'vitest'
import { type Control, openControl, type Request } from '../../../server/src/control.ts'
import { type Site, site } from './site.ts'

let s: Site
beforeEach(() => {
  s = site()
})

/** Answers as a daemon on that state folder does. */
async function listening(answer: (request: Request) => Promise<unknown>): Promise<Control> {
  const control = await openControl(s.state, answer)
  if (!control.ok) throw new Error(control.error.message)
  return control.value
}

it('a running daemon is told of every change, after it is made', async () => {
  const requests: Request[] = []
  const control = await listening(async request => {
    requests.push(request)
    return { users: 1 }
  })
  try {
    const told = { status: 0, stderr: 'The running daemon has taken it up.\n' }
    expect(await s.run(['user', 'add', 'alice', '-s', 'web'])).toMatchObject(told)
    expect(await s.run(['device', 'add', 'alice', 'phone'])).toMatchObject(told)
    expect(await s.run(['device', 'remove', 'alice', 'phone'])).toMatchObject(told)
    expect(await s.run(['user', 'remove', 'alice'])).toMatchObject(told)
    expect(requests).toEqual(Array(4).fill({ command: 'reload' }))
    await s.run(['user', 'list'])
    await s.run(['check'])
    expect(requests).toHaveLength(4)
  } finally {
    await control.close()
  }
})

it('a daemon that does not take it up is not passed over', async () => {
  const control = await listening(async () => {
    throw new Error('the configuration is wrong')
  })
  try {
    const refused = {
      status: 1,
      stderr: 'The running daemon has NOT taken it up: the configuration is wrong\n',
    }
    expect(await s.run(['user', 'add', 'alice', '-s', 'web', '--json'])).toMatchObject({
      ...refused,
      stdout: expect.stringContaining('"user":"alice"'),
    })
    expect(await s.run(['device', 'add', 'alice', 'phone'])).toMatchObject(refused)
    expect(await s.run(['user', 'remove', 'alice'])).toMatchObject(refused)
  } finally {
    await control.close()
  }
})
