import { markup } from '../../markup.ts'
import type { Markup } from '../../markup.ts'

/** One look for every page of the auth layer: a card on a quiet ground. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f1ea, #14181b);
  --card: light-dark(#fff, #1e2428);
  --ink: light-dark(#1c2226, #e8e6e1);
  --quiet: light-dark(#5c666d, #9aa4ab);
  --line: light-dark(#d9d4c8, #3a4248);
  --field: light-dark(#8a8577, #6d777e);
  --copper: light-dark(#9a4f24, #e08a55);
  --on-copper: light-dark(#fff, #1c1410);
  --alert: light-dark(#9b1c1c, #ff9b8f);
  font: 16px/1.5 system-ui, sans-serif;
}
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink) }
main { max-width: 27rem; margin: 8vh auto 3rem; padding: 0 1rem }
main.wide { max-width: 44rem }
.brand { font-weight: 700; letter-spacing: .02em; color: var(--copper); margin: 0 0 1rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .9rem;
  padding: 1.6rem 1.6rem 1.8rem; margin-bottom: 1.2rem }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .4rem }
h2 { font-size: 1.1rem; margin: 0 0 .6rem }
p { margin: .5rem 0 }
.quiet, small { color: var(--quiet) }
label { display: block; margin: 1rem 0 0; font-weight: 600 }
label small { display: block; font-weight: 400 }
input { width: 100%; margin-top: .3rem; padding: .65rem .75rem; font: inherit;
  font-weight: 400; color: inherit;
  background: var(--ground); border: 1px solid var(--field); border-radius: .5rem }
p.code, input.code { font: 1.3rem/1.4 ui-monospace, monospace; letter-spacing: .15em }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--copper);
  outline-offset: 2px }
button { width: 100%; margin-top: 1.2rem; padding: .7rem 1rem; font: inherit; font-weight: 600;
  color: var(--on-copper); background: var(--copper); border: 1px solid var(--copper);
  border-radius: .5rem; cursor: pointer }
button.second { background: none; color: var(--copper) }
button.small { width: auto; margin: 0; padding: .35rem .8rem; white-space: nowrap }
button:disabled { opacity: .5; cursor: default }
a { color: var(--copper) }
.alert { color: var(--alert); border: 1px solid; border-radius: .5rem; padding: .6rem .8rem;
  margin: 1rem 0 }
.done { border: 1px solid var(--copper); border-radius: .5rem; padding: .6rem .8rem }
.links { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin: 1.2rem 0 0 }
ul.rows { list-style: none; margin: .8rem 0 0; padding: 0 }
ul.rows li { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
  justify-content: space-between; padding: .7rem 0; border-top: 1px solid var(--line) }
ul.rows li > * { min-width: 0; overflow-wrap: anywhere }
ul.rows li > span { flex: 1 1 10rem }
ul.rows form { margin: 0; flex: none }
time { white-space: nowrap }
ul.codes { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr));
  gap: .2rem 1rem; margin: 1rem 0; padding: 0; list-style: none;
  font: 1.05rem/1.7 ui-monospace, monospace }
.qr { background: #fff; border-radius: .5rem; padding: .5rem; width: 13rem; margin: 1rem 0 }
.qr svg { display: block; width: 100%; height: auto }
code { font: .95rem ui-monospace, monospace; overflow-wrap: anywhere }
@media (max-width: 30rem) {
  main { margin-top: 1.5rem }
  .card { padding: 1.2rem 1.2rem 1.4rem }
}
@media print { button, .links, .brand { display: none } }
`

/**
 * What a browser may do on these pages: run our scripts, use our style, and send forms to us and on
 * to the apps that people come from.
 */
export function pagePolicy(apps: readonly string[], framedBy: readonly string[]): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "connect-src 'self'",
    `form-action ${["'self'", ...apps].join(' ')}`,
    "base-uri 'none'",
    `frame-ancestors ${framedBy.length === 0 ? "'none'" : framedBy.join(' ')}`,
  ].join('; ')
}

export type Page = Readonly<{ title: string; body: Markup; wide?: boolean; scripts?: boolean }>

/** A whole page, as text. */
export function print({ title, body, wide, scripts }: Page): string {
  const script = scripts
    ? markup`<script src="/assets/webauthn.js" defer></script>
<script src="/assets/passkeys.js" defer></script>`
    : markup``
  return markup`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Farthing</title><link rel="stylesheet" href="/assets/style.css">
${script}</head>
<body><main${wide ? markup` class="wide"` : markup``}><p class="brand">Farthing</p>
${body}
</main></body>
</html>
`.text
}

/** What went wrong with a form, above it. */
export function alert(text: string | null): Markup {
  return text === null ? markup`` : markup`<p class="alert" role="alert">${text}</p>`
}

/** For who has switched scripts off: without a word, a way in would be missing. */
export const scriptNeeded = markup`<noscript><p class="quiet">For passkeys, please let this page run
its scripts.</p></noscript>`
