import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import type { Reloads } from './administration/reloads.ts'
import { verify } from './administration/verify.ts'
import {
  type DoorView,
  type GuardView,
  grantView,
  isoTime,
  lockView,
} from './administration/views.ts'
