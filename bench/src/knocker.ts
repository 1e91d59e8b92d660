/** The client's side: sends what it is given, and watches doors from outside. */
import { serve } from './harness/serve.ts'
import { burst } from './knocking/burst.ts'
import { openLatency } from './knocking/latency.ts'
import { patiently } from './knocking/patiently.ts'
import { rush } from './knocking/rush.ts'

const handlers = { openLatency, burst, rush, patiently }
export type Knocker = typeof handlers

serve(handlers)
