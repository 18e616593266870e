import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Serves the app at the address that the client `web` comes back to. Gives what ends it. */
export async function serveApp(
  ask: Readonly<{ webUrl: string; issuer: string }>,
): Promise<() => Promise<void>> {
  const library = createRequire(import.meta.url).resolve('oidc-client-ts')
  const files: Readonly<Record<string, string>> = {
    '/oidc.js': read(library.replace(/dist.*/, 'dist/browser/oidc-client-ts.min.js')),
    '/app.js': read(fileURLToPath(new URL('app.js', import.meta.url))),
  }
  const page = html(ask.issuer)
  const server = createServer(({ url = '' }, response) => {
    const script = files[url]
    const type = script === undefined ? 'text/html; charset=utf-8' : 'text/javascript'
    response.writeHead(200, { 'content-type': type }).end(script ?? page)
  })
  server.listen(Number(new URL(ask.webUrl).port), '127.0.0.1')
  await once(server, 'listening')
  return async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
}

const read = (path: string): string => readFileSync(path, 'utf8')

function html(issuer: string): string {
  return `<!doctype html>
<html lang="en" data-issuer="${issuer}">
<meta charset="utf-8"><title>App</title>
<output></output>
<button id="sign-in">Sign in</button>
<button id="sign-up">Sign up</button>
<button id="sign-out">Sign out</button>
<script src="/oidc.js"></script>
<script src="/app.js"></script>
</html>`
}
