import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { FastifyPluginCallback } from 'fastify'
import { style } from '../pages/layout.ts'

const HOUR_SECONDS = 3_600

/** What the pages load: one style, and two scripts for passkeys. */
export const assetRoutes: FastifyPluginCallback = (app, _options, done) => {
  const assets = [
    ['/assets/style.css', 'text/css; charset=utf-8', style],
    ['/assets/webauthn.js', 'text/javascript; charset=utf-8', readWebAuthn()],
    ['/assets/passkeys.js', 'text/javascript; charset=utf-8', readOwn('passkeys.js')],
  ] as const
  for (const [path, type, text] of assets) {
    app.get(path, async (_request, reply) => {
      const cached = `public, max-age=${HOUR_SECONDS}`
      return await reply.type(type).header('cache-control', cached).send(text)
    })
  }
  done()
}

function readOwn(name: string): string {
  return readFileSync(new URL(`../assets/${name}`, import.meta.url), 'utf8')
}

/** The package's own bundle for pages that have no bundler. */
function readWebAuthn(): string {
  const entry = createRequire(import.meta.url).resolve('@simplewebauthn/browser')
  const [root = ''] = entry.split(/(?<=@simplewebauthn.browser)/)
  return readFileSync(join(root, 'dist', 'bundle', 'index.umd.min.js'), 'utf8')
}
