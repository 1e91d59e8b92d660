import { spawn } from 'node:child_process'

/** Node cannot send to a Unix datagram socket, so systemd's own small program does (NotifyAccess=all). */
export function tellSystemd(): void {
  if (!process.env.NOTIFY_SOCKET) return
  const child = spawn('systemd-notify', ['--ready', `--pid=${process.pid}`], { stdio: 'ignore' })
  child.on('error', () => {}) // Without it systemd says itself that readiness never came.
}

/** Until systemd, or somebody at the terminal, wants this process to end. */
export const untilTold = (): Promise<void> =>
  new Promise(resolve => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })
