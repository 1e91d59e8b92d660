import { type Lab, openLab } from '../netns/lab.ts'
import type { GuardBackend } from '../netns/rights.ts'
import { buildDaemon, Client, Daemon, type Enrolment } from './daemon.ts'
import { Sshd } from './sshd.ts'

export interface SceneOptions {
  /** nftables, unless told otherwise. */
  readonly backend?: GuardBackend
  /** Tables of the configuration. */
  readonly services: string
  /** Where sshd runs, at its own port, and with which lines of configuration. */
  readonly sshd: { readonly on: 'server' | 'container'; readonly own?: readonly string[] }
}

/** The lab (drawn in netns/lab.ts), the real daemon on its server without root, a real sshd, the real client. */
export interface Scene {
  readonly lab: Lab
  readonly daemon: Daemon
  readonly sshd: Sshd
  readonly client: Client
  /** A code opens once, so every test has somebody of its own; the running daemon takes them up. */
  enrol(services: string): Promise<Enrolment>
  /** Somebody whose invitation the client has taken up. */
  somebody(services: string): Promise<Enrolment>
  close(): Promise<void>
}

export const SSH = 22

export async function openScene({
  backend = 'nftables',
  services,
  sshd: { on, own = [] },
}: SceneOptions): Promise<Scene> {
  const [lab, program] = await Promise.all([openLab(), buildDaemon()])
  const sshd = new Sshd(lab[on])
  await sshd.start(SSH, ...own)
  const client = new Client(lab.client)
  const config = configWith(backend, services)
  const daemon = new Daemon(lab.server, program.path, () => config, backend)
  await daemon.start()
  let people = 0
  const enrol = (services: string) => daemon.enrol(`person-${++people}`, services)
  return {
    ...{ lab, daemon, sshd, client, enrol },
    async somebody(services) {
      const enrolment = await enrol(services)
      await client.add(enrolment)
      return enrolment
    },
    async close() {
      await daemon.remove()
      await lab.close()
      client.remove()
      sshd.remove()
      program.remove()
    },
  }
}

const configWith = (backend: GuardBackend, services: string): string => `
listen = ["[::]:62201"]
public = "10.77.0.1:62201"
name = "home"
state = "state"

[firewall]
backend = "${backend}"
${services}`
