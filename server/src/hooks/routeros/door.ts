import type { Clock } from '../../core/clock.ts'
import type { Opening } from '../../core/openings.ts'
import type { RouterApi } from './api.ts'
import type { Turns } from './turns.ts'

/** What one service opens on its router, in one of two ways. Calls for one opening never overlap. */
export interface RouterDoor {
  open(opening: Opening): Promise<void>
  close(opening: Opening): Promise<void>
  /** Ends what began while it was open, where the router can. */
  cut(opening: Opening): Promise<void>
  list(): Promise<readonly Opening[]>
  /** Makes the router agree with what is wanted, after whatever happened to either side. */
  repair(): Promise<void>
}

/** What both ways need. */
export interface DoorParts {
  readonly service: string
  readonly api: RouterApi
  readonly clock: Clock
  /** Names this daemon in the router's comments. */
  readonly instance: () => string
  /** Repairs wait for whoever opens or closes the same, and the other way round. */
  readonly turns: Turns
  /** What nobody can help, but somebody should know. */
  readonly say: (line: string) => void
}
