/** What the help shows beside the lists of options: examples, and the contract with scripts. */

const EXIT_HELP = `
Exit status:
  0  opened (or closed, as asked)     3  no reply, or no way to the server
  1  usage                            4  refused
  2  profile, key or code command     5  still waiting for approval
  74 done, but standard output could not be written`

export const MAIN_HELP = `
Examples:
  oneknock                                a screen for all of this, and a
                                          countdown until the door closes
  oneknock add                            paste an invitation, unseen
  oneknock knock home                     open what you may open there; asks
                                          for the code
  oneknock knock home ssh --otp 123456    open one service, with this code
  oneknock close home                     close it before its time is up
  oneknock exec home -- rsync -a x home:  open, and run a command behind it
  oneknock doctor home                    find out why it does not open

In ~/.ssh/config, so that ssh, scp, git and all that use them knock by
themselves: ProxyCommand oneknock proxy home %h %p
${EXIT_HELP}

oneknock COMMAND --help says more of each.`

export const ADD_HELP = `
Examples:
  oneknock add                            asks, and shows nothing of the answer
  oneknock add < invitation.txt           from a file or a pipe
  oneknock add --name work                under a name of your own
  oneknock add --otp-command 'pass otp home'
                                          never type a code for it again
  oneknock add --totp-secret < secrets.txt
                                          the invitation, then the secret in
                                          base32 or as an otpauth: URI

--http is the server's HTTP door, such as https://gate.example.com:8975: where a
knock goes if UDP meets silence. An invitation that names one needs no flag.

--totp-secret is for machines, where nobody types a code. It is the weaker
choice: whoever reads the file then has both factors. A YubiKey or a password
store behind --otp-command keeps them apart.

An invitation holds a key. It is kept in the XDG configuration folder
(~/.config/oneknock), readable for you alone.`

export const KNOCK_HELP = `
Examples:
  oneknock knock home                     all that you may open there
  oneknock knock home ssh wiki            just these
  oneknock knock home ssh --lifetime 1h   for this long, if the server lets you
  oneknock knock home --otp-command 'oathtool --totp -b @secret.txt'
  oneknock knock home --address 203.0.113.0/24
                                          admit this, not your own address
  oneknock knock home --address ::        admit whatever the server sees
  oneknock knock home --if-needed         only if it is not open: for ssh, see
                                          oneknock proxy --help
  oneknock knock home --watch --close     keep it open; ^C closes it

The code is the 6 digits of an authenticator, what a YubiKey types, or a
recovery code. It comes from --otp, else --otp-command (run by /bin/sh), else
the target's own command, else you are asked on the terminal, else by the
program that SSH_ASKPASS names. If a command or a stored secret gives one that
was used already, it waits for the next.

--if-needed knocks unless a run on this machine opened the same before, its
time is not up, and this machine's address towards the server is the same.
Behind another NAT with the same addresses that is wrong: with --port it tries
to connect there instead, 400 ms at most. Runs that come at the same time share
one knock, one code and one refusal.

--watch renews the door before its time is up, and knocks again when this
machine's address changes, never more than once in half a minute. It needs a
code command or a stored secret, and stops at a wrong code, a lock or a no.
${EXIT_HELP}

--json prints one object on a line; while somebody must approve, one with
status "pending" comes first. "target" and "status" are always there, and with
status
  opened       addresses (a list), lifetime (seconds), until, grant, detail,
               clock_offset_ms
  pending      detail, and in the last line clock_offset_ms
  refused      reason, what, next, source, detail, clock_offset_ms
  no-reply     servers (a list), port_closed
  unreachable  servers (a list), cause
  unresolved   host, cause; these three with http, if that was tried too
  open         until, if that is known: with --if-needed, nothing was sent
  moved        with --watch, which prints an object for each knock
Errors of usage, profile and code are on stderr alone.`

export const CLOSE_HELP = `
Examples:
  oneknock close home                     all that this device opened there
  oneknock close home ssh                 just this

It needs no code. --json prints an object like knock's, with status "closed".
${EXIT_HELP}`

export const LOCK_HELP = `
The key is sealed with XChaCha20-Poly1305 under scrypt of the passphrase: a
stolen file costs 128 MiB and half a second for each guess. Every knock then
asks for the passphrase, on the terminal or by SSH_ASKPASS. A secret for codes
that the target keeps is sealed with it.`

export const PROXY_HELP = `
In ~/.ssh/config:
  Host home
    HostName home.example.com
    ProxyCommand oneknock proxy home %h %p

It tries to connect, 400 ms at most, and knocks only if nobody answers. Runs
that come at the same time share one knock. The code comes from the target's
own command or secret, else you are asked on the terminal, else by the program
that SSH_ASKPASS names. All that it says goes to stderr.

Without a proxy, so that no byte passes through this program:
  Match originalhost home exec "oneknock knock home --if-needed"
${EXIT_HELP}`

export const EXEC_HELP = `
Examples:
  oneknock exec home -- ssh home.example.com
  oneknock exec home ssh --close -- ansible-playbook site.yml
  oneknock exec home wiki --if-needed -- curl https://wiki.example.com

Runs that come at the same time share one knock. With --close the door closes
for all of them when the first has ended.

Exit status: the command's own, 128 and the signal's number if one ended it;
126 if it cannot be run, 127 if it is not there; 125 if the door did not open.`

export const DOCTOR_HELP = `
Examples:
  oneknock doctor home                    all that shows without a code
  oneknock doctor home --knock --port home.example.com:22
                                          and whether ssh answers behind it

It looks at the versions, the profile, the name, the way there in each family,
the reply, both clocks, the device and the address that the server sees; with
--knock at the door and what stands behind it. It asks the server by closing a
service that nobody has: that takes no code and closes nothing.

Exit status: 0 nothing is wrong, or only worth a warning; else that of the
first thing that fails: 2 profile or key, 3 no reply or no way, 4 refused.
--json prints an object with "target" and "findings": a list of "check",
"status" (ok, warn, fail), "what" and, if it is not ok, "next".`

export const COMPLETION_HELP = `
Examples:
  source <(oneknock completion bash)      in ~/.bashrc
  oneknock completion zsh > "\${fpath[1]}/_oneknock"
  oneknock completion fish > ~/.config/fish/completions/oneknock.fish`
