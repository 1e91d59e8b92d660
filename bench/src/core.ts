/** Measurements inside one process, without a socket. */
import { serve } from './harness/serve.ts'
import { replay } from './inside/replay.ts'
import { verify } from './inside/verify.ts'

const handlers = { verify, replay }
export type Core = typeof handlers

serve(handlers)
