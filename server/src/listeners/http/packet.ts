import { type Judge, SILENCE } from '../listener.ts'
import { NOTHING, type Route } from './route.ts'

const KNOCK_PATH = '/knock'

/**
 * Our own packet, for networks that let no UDP out. What would be silence there is what every unknown
 * path gets here, so nobody without a key finds out that packets are taken.
 */
export const packetRoute = (judge: () => Judge | undefined): Route => {
  return ({ method, path, header, body, source }) => {
    if (method !== 'POST' || path !== KNOCK_PATH || !source) return undefined
    if (header('content-type') !== 'application/octet-stream') return undefined
    const verdict = judge()?.({ datagram: body, source }) ?? SILENCE
    if (verdict === SILENCE) return NOTHING
    return Promise.resolve(verdict).then(answer =>
      answer.kind === 'answer' && answer.reply
        ? {
            status: 200,
            headers: { 'content-type': 'application/octet-stream' },
            body: answer.reply,
          }
        : NOTHING,
    )
  }
}
