import { describe, expect, it } from 'vitest'
import { FakeServer, type Received } from './fake-server.ts'
import { expectOneLine, Home, invitation } from './run.ts'

/** Each waits until the client gives up, so they wait together, each with a home of its own. */
describe.concurrent('no reply: status 3', () => {
  const withTarget = async (
    script: ((received: Received) => Uint8Array[]) | undefined,
    use: (own: Home) => Promise<void>,
  ) => {
    const own = new Home()
    const at = await FakeServer.start(['127.0.0.1'], script ?? (() => []))
    if (!script) await at.stop()
    try {
      await own.run(['add'], invitation({ port: at.port }))
      await use(own)
    } finally {
      await at.stop()
      own.remove()
    }
  }

  it('names the clock first, then the way', () =>
    withTarget(
      () => [],
      async own => {
        const run = await own.run(['knock', 'home', '--otp', '123456'])
        expectOneLine(run, 3)
        expect(run.stderr).toMatch(/no reply from 127\.0\.0\.1 port \d+.*timedatectl.*address.*UDP/)
      },
    ))

  it('says so if nothing listens there', () =>
    withTarget(undefined, async own => {
      const run = await own.run(['knock', 'home', '--otp', '123456'])
      expectOneLine(run, 3, 'nothing listens there')
    }))

  it('is a result for programs', () =>
    withTarget(
      () => [],
      async own => {
        const run = await own.run(['knock', 'home', '--otp', '123456', '--json'])
        expect(run).toMatchObject({ status: 3, stderr: '' })
        expect(JSON.parse(run.stdout)).toEqual({
          target: 'home',
          status: 'no-reply',
          servers: ['127.0.0.1'],
          port_closed: false,
        })
      },
    ))
})
