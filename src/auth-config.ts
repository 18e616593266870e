import { resolve } from 'node:path'
import type { Reader } from './settings.ts'

/** Where Active Directory is, and what the auth layer may do there. */
export type ActiveDirectoryConfig = Readonly<{
  /** `ldaps://` only; asked one after the other. */
  urls: readonly string[]
  /** A PEM file with who signed the domain controllers' certificates; null: whom Node trusts. */
  caFile: string | null
  /** What stands behind the @ of a user principal name. */
  realm: string
  /** The organizational unit that customers' accounts are in. */
  customersDn: string
  /** The service account: a user principal name or a DN. */
  bindName: string
  bindPassword: string
  /** Who is in this group, directly or not, has that role; null: nobody. */
  supportGroupDn: string | null
  operatorGroupDn: string | null
}>

export type AuthConfig = Readonly<{
  /** Where the auth layer listens, on HOST. */
  port: number
  /** How browsers reach it: the issuer of tokens. */
  url: string
  /** How servers reach it: one way or several, asked in turn. */
  backUrls: readonly string[]
  /** Where the web app is: the built-in client `web` comes back to its `/signed-in`. */
  webUrl: string
  /** A JSON file with further clients; null: none. */
  clientsFile: string | null
  /** A JSON file with outside issuers; null: none. */
  issuersFile: string | null
  /** Null: the built-in directory. */
  activeDirectory: ActiveDirectoryConfig | null
}>

export function readAuth(read: Reader, publicUrl: string, problems: string[]): AuthConfig {
  const port = read.integer('AUTH_PORT', { from: 0, to: 65_535, unset: 8081 })
  const url = read.origin('AUTH_URL') ?? `http://localhost:${port}`
  const directory = read.choice('AUTH_DIRECTORY', ['builtin', 'ad'], 'builtin')
  return {
    port,
    url,
    backUrls: read.origins('AUTH_BACK_URL') ?? [url],
    webUrl: (read.url('WEB_URL', ['http:', 'https:']) ?? publicUrl).replace(/\/$/, ''),
    clientsFile: fileIn(read.text('CLIENTS_FILE')),
    issuersFile: fileIn(read.text('ISSUERS_FILE')),
    activeDirectory: directory === 'ad' ? readActiveDirectory(read, problems) : null,
  }
}

function readActiveDirectory(read: Reader, problems: string[]): ActiveDirectoryConfig {
  const needed = (name: string, value: string | null): string => {
    if (value === null) problems.push(`AUTH_DIRECTORY=ad needs ${name}`)
    return value ?? ''
  }
  const urls = needed('AD_URL', read.text('AD_URL')).split(/\s+/)
  if (!urls.every((url) => url === '' || (url.startsWith('ldaps://') && URL.canParse(url)))) {
    problems.push('AD_URL must list addresses that start with ldaps://')
  }
  return {
    urls,
    caFile: fileIn(read.text('AD_CA_FILE')),
    realm: needed('AD_REALM', read.text('AD_REALM')),
    customersDn: needed('AD_CUSTOMERS_DN', read.text('AD_CUSTOMERS_DN')),
    bindName: needed('AD_BIND_NAME', read.text('AD_BIND_NAME')),
    bindPassword: needed('AD_BIND_PASSWORD', read.text('AD_BIND_PASSWORD')),
    supportGroupDn: read.text('AD_SUPPORT_GROUP_DN'),
    operatorGroupDn: read.text('AD_OPERATOR_GROUP_DN'),
  }
}

/** What production refuses. */
export function unfitAuth({ url, webUrl }: AuthConfig): string[] {
  const problems: string[] = []
  if (!url.startsWith('https://')) problems.push('AUTH_URL must start with https:// in production')
  if (!webUrl.startsWith('https://')) {
    problems.push('WEB_URL must start with https:// in production')
  }
  return problems
}

function fileIn(path: string | null): string | null {
  return path === null ? null : resolve(path)
}
