import type { Command } from 'commander'
import type { DaemonOptions } from '../commands/daemon.ts'
import type { DoctorOptions } from '../commands/doctor.ts'
import { act, examples, JSON_OPTION } from './declare.ts'

/** What is asked of a running daemon. */
export function declareDaemon(program: Command): void {
  program
    .command('reload')
    .description('have the running daemon take up the configuration and the users')
    .option(...JSON_OPTION)
    .action(act<DaemonOptions>(async o => (await import('../commands/daemon.ts')).reload(o)))

  program
    .command('status')
    .description('say how the daemon is; status 1 if none runs')
    .option(...JSON_OPTION)
    .action(act<DaemonOptions>(async o => (await import('../commands/daemon.ts')).status(o)))

  program
    .command('monitor')
    .description('show all that goes on, on one screen, until q')
    .option('--json', 'print one JSON value each second')
    .action(act<DaemonOptions>(async o => (await import('../commands/monitor.ts')).monitor(o)))

  program
    .command('doctor')
    .description('look for what keeps an opened door shut, or a closed one open; best as root')
    .option(...JSON_OPTION)
    .action(act<DoctorOptions>(async o => (await import('../commands/doctor.ts')).doctor(o)))

  program
    .command('grants')
    .description('say who is in, from where and until when')
    .option(...JSON_OPTION)
    .action(act<DaemonOptions>(async o => (await import('../commands/daemon.ts')).grants(o)))

  program
    .command('approvals')
    .description("say who waits for somebody's yes")
    .option(...JSON_OPTION)
    .action(act<DaemonOptions>(async o => (await import('../commands/approvals.ts')).approvals(o)))

  for (const [name, description] of [
    ['approve', 'say yes in place of whoever was asked'],
    ['deny', 'say no in place of whoever was asked'],
  ] as const) {
    program
      .command(`${name} <id>`)
      .description(description)
      .option(...JSON_OPTION)
      .addHelpText('after', examples(`oneknockd ${name} 3f1c00a1b2c3d4e5`))
      .action(
        act<DaemonOptions>(async (o, id) =>
          (await import('../commands/approvals.ts')).answer(id, name === 'approve', o),
        ),
      )
  }

  program
    .command('close <grant>')
    .description('end a grant at once, and cut its connections')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('oneknockd close 3f1c00a1b2c3d4e5'))
    .action(
      act<DaemonOptions>(async (o, grant) =>
        (await import('../commands/daemon.ts')).close(grant, o),
      ),
    )
}
