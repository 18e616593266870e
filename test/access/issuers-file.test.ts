import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readIssuersFile } from '../../src/access/issuers-file.ts'
import { StartRefused } from '../../src/errors.ts'

const tenantId = '8f2f3b1c-0f3a-4a52-9d3e-6f1b2c3d4e5f'
const own = 'https://auth.pay.example'

const entra = {
  kind: 'entra',
  tenantId,
  issuer: `https://login.microsoftonline.com/${tenantId}/v2.0`,
  audience: '11111111-2222-3333-4444-555555555555',
  jwksUri: `https://login.microsoftonline.com/${tenantId}/discovery/v2.0/keys`,
  algorithms: ['RS256'],
  scopes: { 'Payments.Read': 'payments:read' },
  roles: { 'Farthing.Operator': 'operator' },
}
const oidc = {
  kind: 'oidc',
  issuer: 'https://id.example.com/',
  audience: 'https://api.pay.example',
  jwksUri: 'https://id.example.com/jwks.json',
  algorithms: ['ES256'],
  typ: 'at+jwt',
  subjectClaims: ['sub'],
  scopesClaim: 'scope',
  rolesClaim: null,
  scopes: {},
  roles: {},
}

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-issuers-'))
})
after(async () => await rm(dir, { recursive: true }))

async function read(text: string, development = false) {
  const path = join(dir, 'issuers.json')
  await writeFile(path, text)
  return readIssuersFile({ path, development, own })
}

test('what the file says is taken as it stands', async () => {
  const [first, second, ...more] = await read(JSON.stringify({ issuers: [entra, oidc] }))
  assert.deepEqual(more, [])
  assert.deepEqual(first, {
    ...entra,
    jwksUri: new URL(entra.jwksUri),
    scopes: new Map(Object.entries(entra.scopes)),
    roles: new Map(Object.entries(entra.roles)),
  })
  assert.deepEqual(second, {
    ...oidc,
    jwksUri: new URL(oidc.jwksUri),
    scopes: new Map(),
    roles: new Map(),
  })
})

const faults: readonly (readonly [what: string, issuer: object | null, words: RegExp])[] = [
  ['no kind', { ...entra, kind: undefined }, /issuer 1: kind must be entra or oidc/],
  ['no object', null, /issuer 1: kind must be/],
  ['an unknown member', { ...entra, jwksURI: 'x' }, /no member jwksURI in kind entra/],
  ['a member of the other kind', { ...entra, typ: 'JWT' }, /no member typ in kind entra/],
  ['no audience', { ...entra, audience: '' }, /audience must be a text/],
  ['keys without TLS', { ...entra, jwksUri: 'http://id.example/keys' }, /jwksUri must be/],
  ['keys in a file', { ...entra, jwksUri: 'file:///etc/keys' }, /jwksUri must be/],
  ['a password in an address', { ...oidc, jwksUri: 'https://a:b@id.example' }, /jwksUri must be/],
  ['an issuer without TLS', { ...oidc, issuer: 'http://id.example' }, /issuer must be/],
  ['a shared secret', { ...entra, algorithms: ['RS256', 'HS256'] }, /algorithms must list/],
  ['no signature', { ...entra, algorithms: ['none'] }, /algorithms must list/],
  ['no algorithm', { ...entra, algorithms: [] }, /algorithms must list/],
  ['an algorithm that is no list', { ...entra, algorithms: 'RS256' }, /algorithms must list/],
  ['the tenant "common"', { ...entra, tenantId: 'common' }, /tenantId must be the GUID/],
  ['another tenant’s issuer', { ...entra, issuer: own }, /tenantId must be the GUID/],
  [
    'an issuer of version 1.0',
    { ...entra, issuer: `https://sts.windows.net/${tenantId}/` },
    /tenantId/,
  ],
  ['a scope of nobody', { ...entra, scopes: { x: 'payments:all' } }, /scopes must lead/],
  ['scopes in a list', { ...entra, scopes: ['payments:read'] }, /scopes must lead/],
  ['no scopes', { ...entra, scopes: undefined }, /scopes must lead/],
  ['a role of nobody', { ...entra, roles: { x: 'admin' } }, /roles must lead/],
  ['an address as the subject', { ...oidc, subjectClaims: ['email'] }, /subjectClaims must list/],
  ['a name as a subject', { ...oidc, subjectClaims: ['sub', 'upn'] }, /subjectClaims must list/],
  ['no subject', { ...oidc, subjectClaims: [] }, /subjectClaims must list/],
  ['another typ', { ...oidc, typ: 'jwt' }, /typ must be at\+jwt or JWT/],
  ['no word on roles', { ...oidc, rolesClaim: undefined }, /rolesClaim must be a text or null/],
  ['our own issuer', { ...oidc, issuer: own }, /is there twice, or is our own/],
]

for (const [what, issuer, words] of faults) {
  test(`no start with ${what}`, async () => {
    await assert.rejects(
      read(JSON.stringify({ issuers: [issuer] })),
      (error) => error instanceof StartRefused && words.test(error.message),
    )
  })
}

test('all problems are named at once, each with its issuer', async () => {
  const text = JSON.stringify({ issuers: [{ ...entra, audience: 1 }, { ...oidc, typ: 'x' }, oidc] })
  await assert.rejects(read(text), /issuer 1: audience must be a text; issuer 2: typ must be/)
  await assert.rejects(read(JSON.stringify({ issuers: [oidc, oidc] })), /is there twice/)
})

test('a file that is no file of issuers is refused', async () => {
  for (const text of ['', '[]', '{}', '{"issuers": {}}', '{"issuers": [], "more": 1}', 'null']) {
    await assert.rejects(read(text), StartRefused, text)
  }
  assert.throws(
    () => readIssuersFile({ path: join(dir, 'none.json'), development: true, own }),
    StartRefused,
  )
})

test('keys of this machine may be read without TLS, in development', async () => {
  const local = { ...oidc, issuer: 'http://localhost:1', jwksUri: 'http://localhost:1/jwks' }
  const text = JSON.stringify({ issuers: [local] })
  assert.equal((await read(text, true)).length, 1)
  await assert.rejects(read(text, false), StartRefused)
  const elsewhere = JSON.stringify({ issuers: [{ ...oidc, jwksUri: 'http://10.0.0.1/jwks' }] })
  await assert.rejects(read(elsewhere, true), StartRefused)
})

test('the files that docs/auth.md shows are right', async () => {
  const paper = await readFile(new URL('../../docs/auth.md', import.meta.url), 'utf8')
  const [, section = ''] = paper.split('\n## Outside issuers')
  const blocks = [...section.matchAll(/```json\n([^]*?)```/g)].map(([, block = '']) => block)
  const whole = blocks.filter((block) => block.includes('"issuers"'))
  assert.equal(whole.length, 2)
  for (const text of whole) assert.equal((await read(text)).length, 1)
  const partial = blocks.filter((block) => !block.includes('"issuers"'))
  assert.equal(partial.length, 1)
  for (const text of partial) {
    const issuer = { ...entra, ...(JSON.parse(text) as object) }
    assert.equal((await read(JSON.stringify({ issuers: [issuer] }))).length, 1)
  }
})
