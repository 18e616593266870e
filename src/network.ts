import { BlockList, isIP, isIPv6 } from 'node:net'

/** What a caller counts as whose address nobody can read. */
export const UNKNOWN_NETWORK = 'unknown'

/** Some proxies write the port that a caller asked from behind its address: each time another. */
const withPort = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/

/** The address in what a proxy has written; null when there is none. */
export function addressIn(text: string): string | null {
  const [, inBrackets, plain] = withPort.exec(text) ?? []
  const address = inBrackets ?? plain ?? text
  return isIP(address) === 0 ? null : address
}

/**
 * Who an unknown caller is: its address, or for IPv6 the /64 network, which is what one customer
 * of a provider gets to choose addresses from.
 */
export function networkOf(text: string): string {
  const address = addressIn(text)
  if (address === null) return UNKNOWN_NETWORK
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1]) return mapped[1]
  const [head = '', tail = ''] = address.split('::')
  const start = head === '' ? [] : head.split(':')
  const end = tail === '' ? [] : tail.split(':')
  const zeros = address.includes('::') ? 8 - start.length - end.length : 0
  const groups = [...start, ...Array.from({ length: zeros }, () => '0'), ...end]
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** Whether whoever connects from there is a proxy whose X-Forwarded-For counts. */
export type Trusts = (address: string) => boolean

/**
 * Reads `10.0.0.1,10.0.1.0/24,fd00::/8`.
 * @returns null when a part of it is no address and no network.
 */
export function proxiesIn(text: string): Trusts | null {
  const proxies = new BlockList()
  for (const part of text.split(',').map((one) => one.trim())) {
    const [, address = '', bits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(part) ?? []
    const family = familyOf(address)
    const most = family === 'ipv6' ? 128 : 32
    const prefix = Number(bits ?? most)
    if (isIP(address) === 0 || prefix > most) return null
    proxies.addSubnet(address, prefix, family)
  }
  return (address) => isIP(address) !== 0 && proxies.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

const DEVICE_MAX = 200

/** Where somebody asks from, and what their program says it is; null when it says nothing. */
export function placeOf(
  address: string,
  userAgent: string | undefined,
): Readonly<{ network: string; device: string | null }> {
  const device = userAgent?.slice(0, DEVICE_MAX) ?? ''
  return { network: networkOf(address), device: device === '' ? null : device }
}
