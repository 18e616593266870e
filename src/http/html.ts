import { createHash } from 'node:crypto'
import { markup } from '../markup.ts'
import type { Markup } from '../markup.ts'

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
