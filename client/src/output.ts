/** Answers go to stdout, everything said beside them to stderr; never a colour, so NO_COLOR holds. */
export const say = (line: string): void => void process.stdout.write(`${line}\n`)
export const warn = (line: string): void => void process.stderr.write(`oneknock: ${line}\n`)
/** One JSON object on a line of its own. */
export const sayJson = (value: object): void => say(JSON.stringify(value))
