import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** An authority, and one certificate of it for all the addresses: paths of PEM files. */
export type Certificates = Readonly<{
  ca: string
  cert: string
  key: string
  remove: () => Promise<void>
}>

export async function makeCertificates(addresses: readonly string[]): Promise<Certificates> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-tls-'))
  const at = (name: string): string => join(dir, name)
  const openssl = async (...args: readonly string[]): Promise<void> => {
    await promisify(execFile)('/usr/bin/openssl', args, { cwd: dir })
  }
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const authority = ['-days', '2', '-subj', '/CN=An authority', '-keyout', 'ca.key']
  await openssl('req', '-x509', ...curve, ...authority, '-out', 'ca.pem')
  await openssl('req', '-new', ...curve, '-subj', '/CN=redis', '-keyout', 'r.key', '-out', 'r.csr')
  const names = addresses.map((address) => `IP:${address}`).join(',')
  await writeFile(at('r.ext'), `subjectAltName=${names}\n`)
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2']
  await openssl('x509', '-req', '-in', 'r.csr', ...signed, '-extfile', 'r.ext', '-out', 'r.pem')
  return {
    ca: at('ca.pem'),
    cert: at('r.pem'),
    key: at('r.key'),
    remove: async () => await rm(dir, { recursive: true, force: true }),
  }
}
