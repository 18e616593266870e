import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TOOL_MS = 60_000

export type Place = Readonly<{ dir: string; address: string; realm: string }>

/** Makes a domain in a directory, ready for its controller to start. */
export async function provision(place: Place & Readonly<{ password: string }>): Promise<void> {
  const { dir, address, realm, password } = place
  // An empty file in place of the machine's own settings, which are neither read nor changed.
  await writeFile(join(dir, 'empty.conf'), '')
  const how = ['domain', 'provision', '-q', '-s', join(dir, 'empty.conf')]
  const options = ['--server-role=dc', '--dns-backend=NONE', '--host-name=dc1', '--domain=PAY']
  const given = [`--realm=${realm.toUpperCase()}`, `--host-ip=${address}`, `--targetdir=${dir}`]
  await tool([...how, ...options, ...given, `--adminpass=${password}`])
  await Promise.all(['run', 'cache'].map(async (name) => await mkdir(join(dir, name))))
  await certify(place)
  await writeFile(join(dir, 'run.conf'), settingsOf(place))
}

/** Samba's own tool. */
export async function tool(args: readonly string[]): Promise<void> {
  await run('/usr/bin/samba-tool', args, { timeout: TOOL_MS })
}

/** A certificate authority of its own, and the controller's certificate by it. */
async function certify({ dir, address, realm }: Place): Promise<void> {
  const at = (name: string) => join(dir, name)
  const make = ['req', '-x509', '-days', '2', '-nodes', '-newkey', 'ec']
  const kind = ['-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const authority = ['-subj', '/CN=A test of Farthing', '-addext', 'keyUsage=critical,keyCertSign']
  await openssl([...make, ...kind, ...authority, '-keyout', at('ca.key'), '-out', at('ca.pem')])
  const names = ['-addext', `subjectAltName=DNS:dc1.${realm},IP:${address}`]
  const leaf = ['-subj', `/CN=dc1.${realm}`, '-addext', 'basicConstraints=critical,CA:FALSE']
  const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key')]
  const files = ['-keyout', at('dc.key'), '-out', at('dc.pem')]
  await openssl([...make, ...kind, ...names, ...leaf, ...signed, ...files])
}

async function openssl(args: readonly string[]): Promise<void> {
  await run('/usr/bin/openssl', args, { timeout: TOOL_MS })
}

/**
 * The settings that a domain controller runs with: LDAP alone, on its own address, and every file
 * in its own directory. `/8`, for with a narrower mask it finds no network, and listens to nobody.
 */
function settingsOf({ dir, address, realm }: Place): string {
  return `[global]
  netbios name = DC1
  workgroup = PAY
  realm = ${realm.toUpperCase()}
  server role = active directory domain controller
  server services = ldap
  interfaces = ${address}/8
  bind interfaces only = yes
  private dir = ${dir}/private
  state directory = ${dir}/state
  cache directory = ${dir}/cache
  lock directory = ${dir}
  pid directory = ${dir}/run
  ncalrpc dir = ${dir}/run/ncalrpc
  winbindd socket directory = ${dir}/run/winbindd
  ntp signd socket directory = ${dir}/run/ntp_signd
  binddns dir = ${dir}/bind-dns
  log file = ${dir}/log.%m
  log level = 1 auth_audit:3
  tls enabled = yes
  tls keyfile = ${dir}/dc.key
  tls certfile = ${dir}/dc.pem
  tls cafile = ${dir}/ca.pem
  tls priority = NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2
  ldap server require strong auth = yes
`
}

const backdating = `
import sys, ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
conf, url, dn, value = sys.argv[1:]
db = SamDB(url=url, session_info=system_session(), lp=LoadParm(conf))
change = ldb.Message.from_dict(db, {'dn': dn, 'pwdLastSet': value}, ldb.FLAG_MOD_REPLACE)
db.modify(change, ['local_oid:1.3.6.1.4.1.7165.4.3.20:0'])
`

/** Makes a password so many days old. It must be done beside the server, not through it. */
export async function backdate(dir: string, dn: string, days: bigint): Promise<void> {
  const now = 116_444_736_000_000_000n + BigInt(Date.now()) * 10_000n
  const set = String(now - days * 864_000_000_000n)
  const [conf, database] = [join(dir, 'run.conf'), join(dir, 'private', 'sam.ldb')]
  await run('/usr/bin/python3', ['-c', backdating, conf, database, dn, set], { timeout: TOOL_MS })
}
