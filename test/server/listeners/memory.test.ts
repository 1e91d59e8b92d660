import { describe } from 'vitest'
import { MemoryListener } from '../../../server/src/listeners/memory.ts'
import { type CodeWay, listenersTakeCodes, listenersTakePackets, type Way } from './conformance.ts'
import { Inbox } from './inbox.ts'

async function inMemory(): Promise<Way> {
  const listener = new MemoryListener()
  const inbox = new Inbox<Uint8Array>()
  return {
    listener,
    send: async datagram => {
      const verdict = await listener.send({ datagram, source: '127.0.0.1' })
      if (verdict.kind === 'answer' && verdict.reply) inbox.put(verdict.reply)
    },
    next: () => inbox.next(),
    rest: () => inbox.rest(),
    close: () => {},
  }
}

async function codesInMemory(): Promise<CodeWay> {
  const listener = new MemoryListener()
  return {
    listener,
    tryCode: async (user, code) => {
      const verdict = await listener.send({
        ...{ door: 'memory', user, factor: { kind: 'totp', code } },
        ...{ services: ['ssh'], lifetime: 0, source: '127.0.0.1' },
      })
      return verdict.kind === 'answer' && verdict.outcome.status === 'opened' ? 'opened' : 'refused'
    },
    close: () => {},
  }
}

describe('the memory listener', () => {
  listenersTakePackets(inMemory)
  listenersTakeCodes(codesInMemory)
})
