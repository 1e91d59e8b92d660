import { fromHex } from '@oneknock/shared'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Enrolled, Gateway } from '../../server/admin/gateway.ts'
import { piped } from '../../server/commands/piped.ts'
import { hasYkgenerate, touch } from '../../server/touch.ts'
import { Home } from '../run.ts'
import { hasTmux, Tmux } from './tmux.ts'

/* A YubiKey is a keyboard: it types 44 letters and Enter, all at once. */

const BLUE = {
  publicId: 'vvccccbbbbdd',
  privateId: fromHex('8792ebfe26cc')!,
  key: fromHex('ecde18dbe76fbd0c33330f1c354871db')!,
}

describe.skipIf(!(hasTmux && hasYkgenerate) && process.env.CI !== 'true')('a touch', () => {
  let g: Gateway
  let home: Home
  let person: Enrolled
  let at: Tmux | undefined
  let touches = 0
  const next = () => touch(BLUE, 7, touches++)
  beforeAll(async () => {
    g = await Gateway.make()
    await g.start()
  })
  /** A home that knows of no open door, and the owner of the key. */
  beforeEach(async () => {
    person = await g.somebody()
    const secrets = `${BLUE.publicId}\n8792ebfe26cc\necde18dbe76fbd0c33330f1c354871db\n`
    await piped(g.config, secrets, 'yubikey', 'add', person.user, 'blue')
    home = new Home()
    expect(await home.run(['add'], `${person.invitation}\n`)).toMatchObject({ status: 0 })
  })
  afterEach(async () => {
    at?.leave()
    home.remove()
    expect(await g.run('user', 'remove', person.user)).toMatchObject({ status: 0 })
  })
  afterAll(() => g?.remove())

  it('in the code field opens the door, without another key', async () => {
    at = new Tmux(home)
    await at.sees(/❯ /)
    at.press('Enter')
    await at.sees(/Code/)
    at.type(`${next()}\r`)
    await at.sees(/\d:\d\d/)
    expect(await g.json('grants')).toMatchObject([{ user: person.user, services: ['web'] }])
  })

  it('is a code for --otp too, once', async () => {
    const { target } = JSON.parse((await home.run(['list', '--json'])).stdout)
    const knock = (otp: string) => home.run(['knock', target, '--otp', otp, '--json'])
    const otp = next()
    expect(await knock(otp)).toMatchObject({ status: 0 })
    expect(await knock(otp)).toMatchObject({ status: 4 })
  })
})
