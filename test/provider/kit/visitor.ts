import assert from 'node:assert/strict'

/** What a browser shows. Beyond the auth layer's origin it only says where it was sent. */
export type Page = Readonly<{
  url: URL
  status: number
  headers: Headers
  html: string
}>

type Fields = Readonly<Record<string, string>>

/** A browser without scripts: it keeps cookies, follows redirects and sends forms. */
export type Visitor = Readonly<{
  open: (url: string | URL) => Promise<Page>
  /** Sends the page's first form whose action has these words in it, with what is typed in. */
  submit: (page: Page, fields?: Fields, action?: string) => Promise<Page>
  /** One request with the cookies, as it is. */
  send: (url: string | URL, init?: RequestInit) => Promise<Response>
  /** Names with values, of what it would send there. */
  cookies: (url: string | URL) => string
}>

type Cookie = Readonly<{ name: string; value: string; path: string }>

const REDIRECTS_MAX = 10

/** What stands between a browser and the auth layer. */
export type Way = Readonly<{ origin: string; headers: Fields }>

/**
 * @param home The origin that it visits. Other origins are not asked.
 * @param way Where that origin is found, when it is not at its own address.
 */
export function openVisitor(home: string, way: Way = { origin: home, headers: {} }): Visitor {
  const jar = new Map<string, Cookie>()

  const cookies = (url: string | URL): string =>
    [...jar.values()]
      .filter(({ path }) => covers(path, new URL(url).pathname))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')

  async function send(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('cookie', cookies(url))
    if (!headers.has('accept')) headers.set('accept', 'text/html,*/*;q=0.8')
    for (const [name, value] of Object.entries(way.headers)) headers.set(name, value)
    const { pathname, search } = new URL(url)
    const address = new URL(pathname + search, way.origin)
    const answer = await fetch(address, { redirect: 'manual', ...init, headers })
    for (const line of answer.headers.getSetCookie()) {
      const { name, value, path, gone } = parseCookie(line)
      if (gone) jar.delete(`${path} ${name}`)
      else jar.set(`${path} ${name}`, { name, value, path })
    }
    return answer
  }

  async function follow(first: string | URL, init?: RequestInit): Promise<Page> {
    let url = new URL(first)
    let answer = await send(url, init)
    for (let hops = 0; hops < REDIRECTS_MAX; hops += 1) {
      const location = answer.headers.get('location')
      if (location === null) {
        return { url, status: answer.status, headers: answer.headers, html: await answer.text() }
      }
      await answer.body?.cancel()
      url = new URL(location, url)
      if (url.origin !== home) return { url, status: 0, headers: answer.headers, html: '' }
      answer = await send(url)
    }
    return assert.fail(`more than ${REDIRECTS_MAX} redirects, the last to ${url.href}`)
  }

  return {
    open: async (url) => await follow(url),
    submit: async (page, fields = {}, action = '') => {
      const form = formIn(page.html, action) ?? assert.fail(`no form ${action} in:\n${page.html}`)
      const body = new URLSearchParams({ ...form.hidden, ...fields })
      const headers = { origin: home }
      return await follow(new URL(form.action, page.url), { method: 'POST', headers, body })
    },
    send,
    cookies,
  }
}

function parseCookie(line: string) {
  const [pair = '', ...attributes] = line.split(/; */)
  const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? []
  const of = (key: string) =>
    attributes.find((one) => one.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1)
  const expires = of('expires')
  const gone = expires !== undefined && Date.parse(expires) <= Date.now()
  return { name, value, path: of('path') ?? '/', gone }
}

/** @see RFC 6265 section 5.1.4 */
function covers(path: string, asked: string): boolean {
  return (
    path === asked || (asked.startsWith(path) && (path.endsWith('/') || asked[path.length] === '/'))
  )
}

function formIn(html: string, words: string) {
  const forms = [...html.matchAll(/<form\b([^>]*)>([^]*?)<\/form>/g)].flatMap(
    ([, head = '', body = '']) => {
      const action = /\baction="([^"]*)"/.exec(head)?.[1]
      return action === undefined ? [] : [{ action, hidden: hiddenIn(body) }]
    },
  )
  return forms.find(({ action }) => action.includes(words))
}

function hiddenIn(html: string): Fields {
  const inputs = [...html.matchAll(/<input\b[^>]*type="hidden"[^>]*>/g)].map(([input]) => {
    const of = (key: string) => new RegExp(`\\b${key}="([^"]*)"`).exec(input)?.[1] ?? ''
    return [of('name'), of('value')] as const
  })
  return Object.fromEntries(inputs)
}
