import { describe } from 'vitest'
import { MemoryListener } from '../../../server/src/listeners/memory.ts'
import { listenersTakePackets, type Way } from './conformance.ts'
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

describe('the memory listener', () => {
  listenersTakePackets(inMemory)
})
