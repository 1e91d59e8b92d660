import { describe, expect, it } from 'vitest'
import { resets } from '../../../server/src/doctor/resets.ts'
import { isRoot, lacking } from '../commands/cli.ts'

describe('whether a connection can be cut', () => {
  it.skipIf(lacking(isRoot))('is seen on a connection of our own', async () => {
    expect(await resets()).toEqual({
      check: 'cut',
      state: 'fine',
      found: 'the kernel resets connections that are to end',
    })
  })

  it('is no where ss is content and the connection lives on', async () => {
    const fakeSs = async () => undefined
    expect(await resets(fakeSs)).toMatchObject({
      state: 'warning',
      remedy: 'take a kernel with CONFIG_INET_DIAG_DESTROY',
    })
  })

  it('is not known where ss may not ask', async () => {
    const fakeSs = async () => 'SOCK_DESTROY answers: Operation not permitted'
    expect(await resets(fakeSs)).toMatchObject({
      state: 'unknown',
      found: expect.stringMatching(/: SOCK_DESTROY answers: Operation not permitted$/),
    })
  })
})
