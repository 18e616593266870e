import { Attribute, Change, Client } from 'ldapts'
import type { Entry, Filter } from 'ldapts'
import { AppError } from '../../../errors.ts'
import { answered } from './refused.ts'

const CONNECT_TIMEOUT_MS = 2_000
const ANSWER_TIMEOUT_MS = 5_000
/** Windows gives no more than 1,000 without pages. */
const PAGE = 500

type Value = string | Buffer | readonly string[]
export type Values = Readonly<Record<string, Value>>

/**
 * One bound connection to a domain controller. Every function throws LdapRefused, and AppError
 * `directory_unavailable` after which the connection is of no more use.
 */
export type Connection = Readonly<{
  /** One entry by its name. The attributes in `binary` come as buffers. */
  read: (dn: string, wanted: Wanted) => Promise<Entry | null>
  /** All entries below a name, page by page. */
  pages: (below: string, filter: Filter, wanted: Wanted) => AsyncGenerator<readonly Entry[]>
  add: (dn: string, values: Values) => Promise<void>
  replace: (dn: string, values: Values) => Promise<void>
  /** Both in one: the domain takes it for the owner's own change of the password. */
  swap: (dn: string, attribute: string, before: Buffer, after: Buffer) => Promise<void>
  remove: (dn: string) => Promise<void>
  isOpen: () => boolean
  close: () => void
}>

export type Wanted = Readonly<{ attributes: readonly string[]; binary: readonly string[] }>

/** Where to, and who signed the certificate there; null: one whom Node trusts. */
export type Address = Readonly<{ url: string; ca: string | null }>

/**
 * Connects and binds.
 *
 * @throws LdapRefused when the bind is refused, AppError `directory_unavailable` within 7 s.
 */
export async function connect(
  { url, ca }: Address,
  name: string,
  password: string,
): Promise<Connection> {
  const client = new Client({
    url,
    connectTimeout: CONNECT_TIMEOUT_MS,
    timeout: ANSWER_TIMEOUT_MS,
    tlsOptions: {
      minVersion: 'TLSv1.2',
      // Also where NODE_TLS_REJECT_UNAUTHORIZED says otherwise.
      rejectUnauthorized: true,
      ...(ca !== null && { ca: [ca] }),
    },
  })
  try {
    await answered('bind', client.bind(name, password))
  } catch (error) {
    close(client)
    throw error
  }
  return over(client)
}

function over(client: Client): Connection {
  async function ask<T>(operation: string, call: () => Promise<T>): Promise<T> {
    // The library would connect anew by itself, and ask as nobody.
    if (!client.isConnected) {
      const cause = new Error('the connection to the domain has ended')
      throw new AppError('directory_unavailable', {}, { cause })
    }
    return await answered(operation, call())
  }

  return {
    read: async (dn, { attributes, binary }) => {
      const options = { scope: 'base', ...asked({ attributes, binary }) } as const
      const { searchEntries } = await ask('read', async () => await client.search(dn, options))
      return searchEntries[0] ?? null
    },
    pages: async function* (below, filter, wanted) {
      const options = { scope: 'sub', filter, paged: { pageSize: PAGE }, ...asked(wanted) } as const
      const pages = client.searchPaginated(below, options)
      for (;;) {
        const { done, value } = await ask('search', async () => await pages.next())
        if (done === true) return
        yield value.searchEntries
      }
    },
    add: async (dn, values) => {
      const attributes = Object.entries(values).map(attributeOf)
      await ask('add', async () => await client.add(dn, attributes))
    },
    replace: async (dn, values) => {
      const changes = Object.entries(values).map(
        (entry) => new Change({ operation: 'replace', modification: attributeOf(entry) }),
      )
      await ask('change', async () => await client.modify(dn, changes))
    },
    swap: async (dn, attribute, before, after) => {
      const [old, next] = [attributeOf([attribute, before]), attributeOf([attribute, after])]
      const changes = [
        new Change({ operation: 'delete', modification: old }),
        new Change({ operation: 'add', modification: next }),
      ]
      await ask('change', async () => await client.modify(dn, changes))
    },
    remove: async (dn) => await ask('delete', async () => await client.del(dn)),
    isOpen: () => client.isConnected,
    close: () => close(client),
  }
}

function asked({ attributes, binary }: Wanted) {
  return { attributes: [...attributes, ...binary], explicitBufferAttributes: [...binary] }
}

function attributeOf([type, value]: readonly [string, Value]): Attribute {
  if (Buffer.isBuffer(value)) return new Attribute({ type, values: [value] })
  return new Attribute({ type, values: typeof value === 'string' ? [value] : [...value] })
}

/** Without waiting: nobody needs to know how a connection ended that nobody needs. */
function close(client: Client): void {
  client.unbind().catch(() => undefined)
}
