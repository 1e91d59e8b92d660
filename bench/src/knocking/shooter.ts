import { boundSocket, openProbe } from './probe.ts'
import type { Range, Shot } from './shot.ts'

/** One address that knocks once, and looks whether its door has opened. */
export interface Shooter {
  shoot(): void
  look(): void
  /** When the service behind the door first answered, by `performance.now()`. */
  readonly openAt: number | undefined
  close(): void
}

export async function makeShooter({ host, port, door }: Range, shot: Shot): Promise<Shooter> {
  const probe = await openProbe(door, shot.source)
  const socket = await boundSocket(shot.source)
  let answered = false
  socket.once('message', () => {
    answered = true
  })
  return {
    shoot: () => socket.send(shot.datagram, port, host),
    look() {
      // The kernel drops what looks too early. A gate would have to hang up, and is the daemon itself:
      // it is asked once the answer says that it is open.
      if (door.protocol === 'udp' || answered) probe.look()
    },
    get openAt() {
      return probe.answeredAt
    },
    close() {
      probe.close()
      socket.close()
    },
  }
}
