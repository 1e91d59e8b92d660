import { formatTable } from './output.ts'

const COLUMNS = 2

/** What a person reads above the authenticator's QR code, as steps from this number on. */
export function recoveryAndSecret(
  codes: readonly string[],
  secret: string,
  number: number,
): string {
  const rows = Array.from({ length: Math.ceil(codes.length / COLUMNS) }, (_, row) =>
    codes.slice(row * COLUMNS, (row + 1) * COLUMNS),
  )
  return `${number}. Keep these recovery codes on paper. Each replaces the authenticator once:

${formatTable(rows.map(row => ['  ', ...row]))}
${number + 1}. Scan this with an authenticator app, or type its secret into it:
   ${secret}

`
}
