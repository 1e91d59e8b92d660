/** The reference: a socket that takes datagrams and counts them, as little as a receiver can do. */
import { createSocket } from 'node:dgram'
import { RECEIVE_BUFFER_BYTES } from '../../server/src/core/limits.ts'
import { serve } from './harness/serve.ts'
import { type Usage, usage } from './harness/usage.ts'

const handlers = {
  usage: (): Usage & { received: number } => ({ ...usage(), received }),
  port: (): number => socket.address().port,
}
export type Sink = typeof handlers

let received = 0
const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES })
socket.on('message', () => {
  received++
})
socket.bind(0, '127.0.0.1', () => serve(handlers))
