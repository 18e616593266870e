import { readFileSync } from 'node:fs'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Check, Errors } from 'typebox/value'
import type { ClientMetadata } from 'oidc-provider'
import { PASSWORD_CLIENT } from '../../auth/sessions/sessions.ts'
import { StartRefused } from '../../errors.ts'
import { customerScopes, staffScopes } from '../../scopes.ts'
import type { Scope } from '../../scopes.ts'

/** An app that may ask people to sign in, or a service that signs in itself. */
export type Client = Readonly<{
  id: string
  /** As people read it. */
  name: string
  scopes: readonly Scope[]
  metadata: ClientMetadata
  /** Ours: people are not asked whether they trust it. */
  firstParty: boolean
}>

/** The pages of the auth layer themselves. */
export const ACCOUNT_CLIENT = 'account'
const WEB_CLIENT = 'web'
export const CLI_CLIENT = 'cli'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const SECRET_MIN = 32

const closed = { additionalProperties: false } as const
const scopes = Type.Array(Type.Enum([...customerScopes, ...staffScopes]), { minItems: 1 })
const id = Type.String({ pattern: '^[a-z][a-z0-9-]{1,40}$' })
const name = Type.String({ minLength: 1, maxLength: 60 })
const uri = Type.String({ maxLength: 500, pattern: '^https?://[^\\s#*]+$' })

const App = Type.Object(
  {
    kind: Type.Literal('app'),
    id,
    name,
    scopes,
    redirectUris: Type.Array(uri, { minItems: 1, maxItems: 20 }),
    postLogoutRedirectUris: Type.Array(uri, { maxItems: 20 }),
  },
  closed,
)
const Backend = Type.Object(
  {
    kind: Type.Literal('service'),
    id,
    name,
    scopes,
    secret: Type.String({ minLength: SECRET_MIN, maxLength: 200 }),
  },
  closed,
)
const ClientsFile = Type.Object({ clients: Type.Array(Type.Unknown(), { maxItems: 100 }) }, closed)
type Entry = Static<typeof App> | Static<typeof Backend>

/**
 * The apps that come with the house, and those of the file.
 *
 * @throws StartRefused when the file cannot be read or says what cannot be. No message repeats it.
 */
export function readClients(
  ask: Readonly<{ issuer: string; webUrl: string; clientsFile: string | null }>,
): readonly Client[] {
  const added = ask.clientsFile === null ? [] : readFile(ask.clientsFile)
  if (added.some(({ id }) => id === PASSWORD_CLIENT)) {
    throw new StartRefused(
      `No client in ${ask.clientsFile} can be called "${PASSWORD_CLIENT}": sign-ins at the API are.`,
    )
  }
  const clients = [...builtIn(ask.issuer, ask.webUrl), ...added.map(toClient)]
  const twice = clients.find(({ id }, index) => clients.slice(0, index).some((c) => c.id === id))
  if (twice)
    throw new StartRefused(`The client "${twice.id}" in ${ask.clientsFile} has a name twice.`)
  return clients
}

function builtIn(issuer: string, webUrl: string): readonly Client[] {
  return [
    app({
      id: WEB_CLIENT,
      name: 'Farthing',
      scopes: customerScopes,
      redirectUris: [`${webUrl}/signed-in`, `${webUrl}/signed-in-silently`],
      postLogoutRedirectUris: [`${webUrl}/`],
    }),
    app({
      id: ACCOUNT_CLIENT,
      name: 'Account and security',
      scopes: ['user:read'],
      redirectUris: [`${issuer}/account/signed-in`],
      postLogoutRedirectUris: [`${issuer}/account`],
    }),
    {
      id: CLI_CLIENT,
      name: 'Farthing on the command line',
      scopes: [...customerScopes, ...staffScopes],
      firstParty: true,
      metadata: {
        client_id: CLI_CLIENT,
        client_name: 'Farthing on the command line',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: [DEVICE_GRANT, 'refresh_token'],
        redirect_uris: [],
        response_types: [],
      },
    },
  ]
}

type AppAsk = Omit<Static<typeof App>, 'kind' | 'scopes'> & Readonly<{ scopes: readonly Scope[] }>

/** A program in a browser or on a phone: it can keep no secret, so PKCE proves it is the same. */
function app({ id, name, scopes, redirectUris, postLogoutRedirectUris }: AppAsk): Client {
  return {
    id,
    name,
    scopes,
    firstParty: true,
    metadata: {
      client_id: id,
      client_name: name,
      application_type: 'web',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [...redirectUris],
      post_logout_redirect_uris: [...postLogoutRedirectUris],
    },
  }
}

function toClient(entry: Entry): Client {
  if (entry.kind === 'app') return { ...app(entry), firstParty: false }
  const { id, name, scopes, secret } = entry
  return {
    id,
    name,
    scopes,
    firstParty: true,
    metadata: {
      client_id: id,
      client_name: name,
      client_secret: secret,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  }
}

function readFile(path: string): readonly Entry[] {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new StartRefused(`The clients in ${path} cannot be read, or are no JSON.`)
  }
  if (!Check(ClientsFile, value)) {
    throw notRight(path, Errors(ClientsFile, value).map(inWords))
  }
  const problems: string[] = []
  const entries = value.clients.map((entry, index) => toEntry(entry, index + 1, problems))
  if (problems.length > 0) throw notRight(path, problems)
  return entries.filter((entry) => entry !== null)
}

function toEntry(entry: unknown, place: number, problems: string[]): Entry | null {
  if (Check(App, entry) || Check(Backend, entry)) return entry
  const kind = kindOf(entry)
  if (kind === null) {
    problems.push(`client ${place}: kind must be "app" or "service"`)
    return null
  }
  const faults = kind === 'app' ? Errors(App, entry) : Errors(Backend, entry)
  problems.push(...faults.map((fault) => `client ${place}: ${inWords(fault)}`))
  return null
}

function kindOf(entry: unknown): Entry['kind'] | null {
  if (Check(Type.Object({ kind: Type.Literal('app') }), entry)) return 'app'
  return Check(Type.Object({ kind: Type.Literal('service') }), entry) ? 'service' : null
}

function inWords({ instancePath, message }: { instancePath: string; message: string }): string {
  return `${instancePath.slice(1) || 'it'} ${message}`
}

function notRight(path: string, problems: readonly string[]): StartRefused {
  return new StartRefused(`The clients in ${path} are not right: ${problems.join('; ')}.`)
}
