import type { Command } from 'commander'
import type { OtpOptions } from '../commands/otp.ts'
import { act, examples, JSON_OPTION } from './declare.ts'

export function declareOtp(program: Command): void {
  const otp = program.command('otp').description("look at a user's code, for other programs")

  otp
    .command('verify [user] [code]')
    .description('status 0 if the code is right and was not used before; it is used up then')
    .option('--from <address>', 'where the person is, for the record')
    .option('--pam', 'take user, address and code from pam_exec (expose_authtok)')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples(
        'oneknockd otp verify alice                      ask for the code, unechoed',
        'echo "$code" | oneknockd otp verify -- "$user" -   from a script; mind the two dashes',
      ),
    )
    .addHelpText('after', '\nStatus 0 says one thing alone: the code is right. Help ends with 1.')
    .action(
      act<OtpOptions>(async (o, user, code) =>
        (await import('../commands/otp.ts')).verifyOtp(user, code, o),
      ),
    )
}
