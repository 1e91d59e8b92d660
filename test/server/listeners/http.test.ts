import { describe } from 'vitest'
import type { Listener } from '../../../server/src/listeners/listener.ts'
import { type CodeWay, listenersTakeCodes, listenersTakePackets, type Way } from './conformance.ts'
import { fetchFrom, makeDoor, postForm, postPacket, typeBlind } from './http.ts'
import { Inbox } from './inbox.ts'

/** Packets over HTTP: one is sent when the one before has been heard, so that their order is known. */
async function packets(): Promise<Way> {
  const { listener, port } = await makeDoor()
  const inbox = new Inbox<Uint8Array>()
  let heard = () => {}
  const telling: Listener = {
    name: listener.name,
    start: judge =>
      listener.start(attempt => {
        heard()
        return judge(attempt)
      }),
    stop: () => listener.stop(),
  }
  let before: Promise<unknown> = Promise.resolve()
  return {
    listener: telling,
    send: datagram => {
      before = before.then(() => {
        const isHeard = new Promise<void>(resolve => {
          heard = resolve
        })
        const answered = postPacket(port, datagram).then(
          ({ status, body }) => status === 200 && inbox.put(body),
          () => {},
        )
        return Promise.race([isHeard, answered])
      })
    },
    next: () => inbox.next(),
    rest: () => inbox.rest(),
    close: () => {},
  }
}

const codes =
  (tell: (port: number, user: string, code: string) => Promise<boolean>) =>
  async (): Promise<CodeWay> => {
    const { listener, port } = await makeDoor()
    return {
      listener,
      tryCode: async (user, code) => ((await tell(port, user, code)) ? 'opened' : 'refused'),
      close: () => {},
    }
  }

describe('packets at the HTTP door', () => {
  listenersTakePackets(packets)
})

describe('codes in its form', () => {
  listenersTakeCodes(
    codes(async (port, user, code) => (await postForm(port, { user, code })).status === 200),
  )
})

describe('codes in an address', () => {
  listenersTakeCodes(
    codes(async (port, user, code) => (await fetchFrom(port, `/${user}:${code}`)).status === 200),
  )
})

describe('codes typed blind', () => {
  listenersTakeCodes(
    codes(async (port, user, code) =>
      (await typeBlind(port, `${user}:${code}\n`)).startsWith('open:'),
    ),
  )
})
