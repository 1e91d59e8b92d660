import { deriveKeys as deriveAnywhere, KEY_BYTES } from '@oneknock/shared'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deriveKeys } from '../../client/src/derive.ts'

test("the client's keys are the protocol's, which the vectors hold", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES }), key => {
      expect(deriveKeys(key)).toEqual(deriveAnywhere(key))
    }),
  )
})
