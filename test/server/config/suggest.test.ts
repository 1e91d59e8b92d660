import { expect, it } from 'vitest'
import { nearest } from '../../../server/src/config/suggest.ts'

const KEYS = ['ports', 'lifetime', 'max_lifetime', 'max_prefix', 'gate', 'exec']

it.each([
  ['port', 'ports'],
  ['prots', 'ports'],
  ['lifetme', 'lifetime'],
  ['maxlifetime', 'max_lifetime'],
  ['gaet', 'gate'],
  ['exce', 'exec'],
])('%s is probably %s', (word, meant) => {
  expect(nearest(word, KEYS)).toBe(meant)
})

it.each(['', 'x', 'timeout', 'approval', 'schedule'])('%j is another word', word => {
  expect(nearest(word, KEYS)).toBeUndefined()
})
