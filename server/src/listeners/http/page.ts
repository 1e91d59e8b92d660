import { createHash } from 'node:crypto'
import type { WebAnswer } from './route.ts'

/** Every page of the door: one small document, no script, nothing from elsewhere. */

const STYLE = `
:root { color-scheme: light dark }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem; max-width: 24rem; font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 1rem }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0 0 1.5rem }
dt { opacity: .7 }
dd { margin: 0; overflow-wrap: anywhere; font-weight: 600 }
label { display: block; margin: 0 0 1rem; font-size: .875rem }
input, button { display: block; width: 100%; min-height: 3rem; padding: .5rem .75rem; font: inherit;
  border: 1px solid GrayText; border-radius: .5rem }
input { margin-top: .25rem; font-size: 1rem }
button { margin-top: 1.5rem; font-weight: 600; border-color: transparent; background: #1f6f43; color: #fff }
button.no { margin-top: .75rem; background: #a02828 }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px }
`

const styleHash = createHash('sha256').update(STYLE).digest('base64')

/** Only this style, only forms to this very place, and no frame around it. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** On every answer, whatever it is. What is in an address must go nowhere else, so no referrer. */
export const SAFETY: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': POLICY,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-robots-tag': 'noindex',
}

/** Markup, as opposed to text that somebody may have sent. */
export interface Html {
  readonly html: string
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeText = (text: string): string => text.replace(/[&<>"']/g, char => ESCAPES[char]!)

/** A template whose values are escaped, unless they are markup themselves. */
export function html(
  parts: TemplateStringsArray,
  ...values: readonly (string | Html | readonly Html[])[]
): Html {
  const inner = values.map(value => {
    if (typeof value === 'string') return escapeText(value)
    return 'html' in value ? value.html : value.map(one => one.html).join('')
  })
  return { html: parts.map((part, i) => part + (inner[i] ?? '')).join('') }
}

export interface Page {
  readonly status?: number
  readonly title: string
  readonly body: Html
  readonly headers?: Readonly<Record<string, string>>
}

export const page = ({ status = 200, title, body, headers = {} }: Page): WebAnswer => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
  body: html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${{ html: STYLE }}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.html,
})

/** One line for programs. */
export const line = (status: number, text: string): WebAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: `${text}\n`,
})
