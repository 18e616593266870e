import { createHash } from 'node:crypto'

/** Markup that is safe to send: whatever came from outside has been escaped. */
export type Markup = Readonly<{ text: string }>

type Value = string | number | Markup | readonly Markup[]

/** Joins markup and values; every value that is not markup itself is escaped. */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const text = strings.reduce((text, part, index) => text + print(values[index - 1] ?? '') + part)
  return { text }
}

function print(value: Value): string {
  if (typeof value === 'object') {
    return 'text' in value ? value.text : value.map(({ text }) => text).join('')
  }
  return String(value).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0 }
tr { border-bottom: 1px solid #8884 }
code, pre { font: .9rem/1.5 ui-monospace, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
article { border: 1px solid #8886; border-radius: .5rem; padding: .8rem 1rem; margin: 1rem 0 }
article p { margin: .2rem 0 }
small { opacity: .7 }
`

const styleHash = createHash('sha256').update(style).digest('base64')

/** Our own pages run no script and load nothing; their one style is known by its hash. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** A whole page, as text. */
export function page(title: string, body: Markup): string {
  const sheet: Markup = { text: `<style>${style}</style>` }
  return markup`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title>${sheet}</head>
<body><h1>${title}</h1>
${body}
</body>
</html>
`.text
}

/** Whether a browser asks, or something that would rather have JSON. */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  const page = accept.indexOf('text/html')
  const json = accept.indexOf('application/json')
  return page >= 0 && (json < 0 || page < json)
}
