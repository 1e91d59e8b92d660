import { burst } from './burst.ts'
import { devices } from './devices.ts'
import { fwknopJunk } from './fwknop-junk.ts'
import { junk } from './junk.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { replay } from './replay.ts'
import { rush } from './rush.ts'
import type { Scenario } from './scenario.ts'
import { startUp } from './start-up.ts'
import { underJunk } from './under-junk.ts'
import { verify } from './verify.ts'

/** In the order of their first rows. */
export const scenarios: readonly Scenario[] = [
  junk,
  fwknopJunk,
  verify,
  rush,
  latency,
  burst,
  underJunk,
  replay,
  devices,
  memory,
  startUp,
]
